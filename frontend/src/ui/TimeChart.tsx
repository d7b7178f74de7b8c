import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { SERIES } from "../lib/colors";
import { ChartTable } from "./ChartTable";
import { stacked } from "./stack";
import { useFormat } from "./useFormat";

export interface ChartSeries {
  label: string;
  values: (number | null)[];
  color?: string;
  dash?: number[];
  /** With `high`: shades the space from this series up to the one of that label. */
  bandTo?: string;
}

export interface TimeChartProps {
  /** What is shown, for people who hear the page and for file names. */
  label: string;
  /** Unix seconds, rising. */
  times: number[];
  series: ChartSeries[];
  /** `stacked` adds the series up and fills them. */
  kind?: "lines" | "stacked";
  height?: number;
  /** Writes a value with its unit. */
  format?: (value: number | null) => string;
  /** The times are days: the axis shows dates only. */
  days?: boolean;
  /** Range of the axis; else from zero to the largest value. */
  range?: [number, number];
}

/** A chart over time on canvas, with a table of the same figures for everybody. */
export default function TimeChart(props: TimeChartProps) {
  const { t } = useTranslation("app");
  const format = useFormat();
  const box = useRef<HTMLDivElement>(null);
  const [isTable, setIsTable] = useState(false);
  const scheme = useComputedColorScheme("light");
  const { label, times, series, kind = "lines", height = 220 } = props;
  const written = props.format ?? ((value: number | null) => format.number(value, 1));
  const data = useMemo(
    () => [times, ...(kind === "stacked" ? stacked(series) : series.map((one) => one.values))],
    [times, series, kind],
  );
  useEffect(() => {
    const place = box.current;
    if (!place || isTable) return;
    const options = optionsOf(props, {
      width: place.clientWidth,
      scheme,
      written,
      zone: format.facts.timeZone,
      locale: format.facts.locale,
    });
    const plot = new uPlot(options, data as uPlot.AlignedData, place);
    const watcher = new ResizeObserver(() => plot.setSize({ width: place.clientWidth, height }));
    watcher.observe(place);
    return () => {
      watcher.disconnect();
      plot.destroy();
    };
  }, [data, scheme, isTable, height, format, props, written]);
  return (
    <figure className="chart" aria-label={label}>
      {isTable ? (
        <ChartTable label={label} times={times} series={series} written={written} />
      ) : (
        <div ref={box} style={{ minHeight: height }} aria-hidden="true" />
      )}
      <figcaption>
        <ul className="legend">
          {series.map((one, index) => (
            <li key={one.label}>
              <i style={{ background: colorOf(one, index) }} aria-hidden="true" />
              {one.label} <b>{written(lastOf(one.values))}</b>
            </li>
          ))}
        </ul>
        <span className="chart-tools">
          <button type="button" className="quiet" onClick={() => setIsTable(!isTable)}>
            {isTable ? t("chart.asChart") : t("chart.asTable")}
          </button>
          {!isTable && (
            <button type="button" className="quiet" onClick={() => savePng(box.current, label)}>
              PNG
            </button>
          )}
        </span>
      </figcaption>
    </figure>
  );
}

interface Looks {
  width: number;
  scheme: "light" | "dark";
  written: (value: number | null) => string;
  zone: string;
  locale: string;
}

const DAY_SECONDS = 86_400;

function dayAxis(locale: string): Pick<uPlot.Axis, "incrs" | "space" | "values"> {
  const written = new Intl.DateTimeFormat(locale, {
    month: "numeric",
    day: "numeric",
    timeZone: "UTC",
  });
  return {
    space: 58,
    incrs: [1, 2, 7, 14, 30].map((days) => days * DAY_SECONDS),
    values: (_u, ticks) => ticks.map((tick) => written.format(tick * 1000)),
  };
}

function optionsOf(props: TimeChartProps, looks: Looks): uPlot.Options {
  const { series, kind = "lines", height = 220, range } = props;
  const ink = looks.scheme === "dark" ? "#c1c2c5" : "#495057";
  const grid = { stroke: looks.scheme === "dark" ? "#373a40" : "#e9ecef", width: 1 };
  const isStacked = kind === "stacked";
  return {
    width: looks.width,
    height,
    tzDate: (seconds) =>
      uPlot.tzDate(new Date(seconds * 1000), props.days ? "Etc/UTC" : looks.zone),
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 6 } },
    scales: { y: { range: range ?? ((_u, _low, high) => [0, high > 0 ? high * 1.05 : 1]) } },
    axes: [
      { stroke: ink, grid, ticks: grid, ...(props.days ? dayAxis(looks.locale) : {}) },
      { stroke: ink, grid, ticks: grid, size: 64, values: (_u, ticks) => ticks.map(looks.written) },
    ],
    series: [
      {},
      ...series.map((one, index) => ({
        label: one.label,
        stroke: colorOf(one, index),
        fill: isStacked ? `${colorOf(one, index)}cc` : undefined,
        width: isStacked ? 1 : 2,
        dash: one.dash,
        points: { show: false },
        spanGaps: false,
      })),
    ],
    bands: isStacked ? stackBands(series.length) : bandsOf(series),
  };
}

function stackBands(count: number): uPlot.Band[] {
  return Array.from({ length: count - 1 }, (_, index) => ({ series: [index + 1, index + 2] }));
}

function bandsOf(series: ChartSeries[]): uPlot.Band[] {
  return series.flatMap((one, low) => {
    const high = series.findIndex((other) => other.label === one.bandTo);
    return high < 0 ? [] : [{ series: [high + 1, low + 1], fill: `${colorOf(one, low)}33` }];
  }) as uPlot.Band[];
}

function colorOf(series: ChartSeries, index: number): string {
  return series.color ?? SERIES[index % SERIES.length] ?? SERIES[0];
}

function lastOf(values: (number | null)[]): number | null {
  return values.findLast((value) => value != null) ?? null;
}

function savePng(box: HTMLElement | null, label: string): void {
  box?.querySelector("canvas")?.toBlob((blob) => {
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${label.replace(/[^\p{L}\p{N}]+/gu, "-")}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
