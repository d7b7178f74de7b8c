import { useTranslation } from "react-i18next";
import { useFormat } from "../../ui/useFormat";
import "./cost.css";
import { barsOnCanvas, savePng } from "./barsPng";
import type { DayBars } from "./figures";

interface StackedBarsProps {
  label: string;
  bars: DayBars;
  /** Where the same figures are a file. */
  csvHref: string;
}

/** Stacked bars by day; the same figures stand in the table of the page. */
export function StackedBars({ label, bars, csvHref }: StackedBarsProps) {
  const { t } = useTranslation("cost");
  const format = useFormat();
  const { days, series } = bars;
  const sums = days.map((_, at) => series.reduce((sum, one) => sum + (one.values[at] ?? 0), 0));
  const most = Math.max(...sums, 0.000001);
  const every = Math.max(1, Math.ceil(days.length / 10));
  const written = (day: string) => format.date(`${day}T12:00:00Z`);
  const told = days.map((day, at) => `${written(day)} ${format.money(sums[at] ?? 0)}`).join(", ");
  return (
    <figure className="chart day-bars">
      <div className="day-bars-plot" role="img" aria-label={`${label}: ${told}`}>
        <span className="day-bars-most">{format.money(most)}</span>
        {days.map((day, at) => (
          <div key={day} className="day-bar">
            <div className="day-bar-stack">
              {series.map((one) => (
                <i
                  key={one.label}
                  title={`${written(day)} · ${one.label}: ${format.money(one.values[at] ?? 0)}`}
                  style={{
                    height: `${(100 * (one.values[at] ?? 0)) / most}%`,
                    background: one.color,
                  }}
                />
              ))}
            </div>
            <small aria-hidden="true">
              {at % every === 0 ? day.slice(5).replace("-", "/") : ""}
            </small>
          </div>
        ))}
      </div>
      <figcaption>
        <ul className="legend" aria-label={t("bars.legend")}>
          {series.map((one) => (
            <li key={one.label}>
              <i style={{ background: one.color }} aria-hidden="true" />
              {one.label} <b>{format.money(one.values.reduce((sum, value) => sum + value, 0))}</b>
            </li>
          ))}
        </ul>
        <span className="chart-tools">
          <a className="quiet" href={csvHref} download>
            {t("bars.csv")}
          </a>
          <button
            type="button"
            className="quiet"
            onClick={() =>
              savePng(
                barsOnCanvas(bars, { title: label, money: (amount) => format.money(amount) }),
                label,
              )
            }
          >
            PNG
          </button>
        </span>
      </figcaption>
    </figure>
  );
}
