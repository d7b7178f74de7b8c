import { ScrollArea } from "@mantine/core";
import { useTranslation } from "react-i18next";
import type { ChartSeries } from "./TimeChart";
import { useFormat } from "./useFormat";

interface ChartTableProps {
  label: string;
  times: number[];
  series: ChartSeries[];
  written: (value: number | null) => string;
}

/** The figures of a chart as rows. */
export function ChartTable({ label, times, series, written }: ChartTableProps) {
  const { t } = useTranslation("app");
  const format = useFormat();
  return (
    <ScrollArea.Autosize
      mah={260}
      type="auto"
      viewportProps={{ tabIndex: 0, role: "region", "aria-label": label }}
    >
      <table className="rows">
        <thead>
          <tr>
            <th scope="col">{t("chart.time")}</th>
            {series.map((one) => (
              <th key={one.label} scope="col" data-align="end">
                {one.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((time, at) => (
            <tr key={time}>
              <td>{format.time(time * 1000)}</td>
              {series.map((one) => (
                <td key={one.label} data-align="end">
                  {written(one.values[at] ?? null)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea.Autosize>
  );
}
