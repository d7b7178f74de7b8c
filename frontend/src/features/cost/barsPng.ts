/** The day bars as a picture: what the page shows, drawn once more on a canvas. */

import type { DayBars } from "./figures";

const SIZE = { width: 1200, height: 520 };
const PLOT = { left: 90, top: 56, right: 1180, bottom: 400 };
const LEGEND = { top: 440, line: 24, columns: 4 };

interface Words {
  title: string;
  /** Writes an amount. */
  money: (amount: number) => string;
}

/** Draw the bars on a new canvas, dark on white: it goes into reports. */
export function barsOnCanvas(bars: DayBars, words: Words): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const lines = Math.ceil(bars.series.length / LEGEND.columns);
  canvas.width = SIZE.width;
  canvas.height = Math.max(SIZE.height, LEGEND.top + lines * LEGEND.line + 20);
  const pen = canvas.getContext("2d");
  if (!pen) return canvas;
  const family = getComputedStyle(document.body).fontFamily;
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.fillStyle = "#111";
  pen.font = `600 22px ${family}`;
  pen.fillText(words.title, PLOT.left, 32);
  pen.font = `14px ${family}`;
  drawDays(pen, bars, words);
  drawLegend(pen, bars, words);
  return canvas;
}

function drawDays(pen: CanvasRenderingContext2D, { days, series }: DayBars, words: Words): void {
  const sums = days.map((_, at) => series.reduce((sum, one) => sum + (one.values[at] ?? 0), 0));
  const most = Math.max(...sums, 0.000001);
  const height = PLOT.bottom - PLOT.top;
  const step = (PLOT.right - PLOT.left) / Math.max(1, days.length);
  const every = Math.max(1, Math.ceil(days.length / 14));
  pen.textAlign = "right";
  for (const part of [0, 0.5, 1]) {
    const y = PLOT.bottom - part * height;
    pen.fillStyle = "#ddd";
    pen.fillRect(PLOT.left, y, PLOT.right - PLOT.left, 1);
    pen.fillStyle = "#444";
    pen.fillText(words.money(part * most), PLOT.left - 8, y + 5);
  }
  pen.textAlign = "center";
  days.forEach((day, at) => {
    let y = PLOT.bottom;
    const width = Math.min(72, step - 2);
    const x = PLOT.left + at * step + (step - width) / 2;
    for (const one of series) {
      const part = (height * (one.values[at] ?? 0)) / most;
      y -= part;
      pen.fillStyle = one.color;
      pen.fillRect(x, y, width, part);
    }
    pen.fillStyle = "#444";
    if (at % every === 0) pen.fillText(day.slice(5), x + width / 2, PLOT.bottom + 20);
  });
}

function drawLegend(pen: CanvasRenderingContext2D, { series }: DayBars, words: Words): void {
  pen.textAlign = "left";
  const width = (PLOT.right - PLOT.left) / LEGEND.columns;
  series.forEach((one, at) => {
    const x = PLOT.left + (at % LEGEND.columns) * width;
    const y = LEGEND.top + Math.floor(at / LEGEND.columns) * LEGEND.line;
    pen.fillStyle = one.color;
    pen.fillRect(x, y, 14, 14);
    pen.fillStyle = "#111";
    const sum = one.values.reduce((total, value) => total + value, 0);
    pen.fillText(`${one.label} ${words.money(sum)}`, x + 20, y + 12, width - 28);
  });
}

/** Hand a canvas to the browser as a file. */
export function savePng(canvas: HTMLCanvasElement, name: string): void {
  canvas.toBlob((blob) => {
    if (!blob) return;
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name.replace(/[^\p{L}\p{N}]+/gu, "-")}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
