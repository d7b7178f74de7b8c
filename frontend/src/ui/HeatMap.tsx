import { useComputedColorScheme } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { type KeyboardEvent, type MouseEvent, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { cividis } from "../lib/colors";
import { cellAt, type HeatLayout, heatLayout } from "./heatLayout";

export interface HeatCell {
  /** Share from 0 to 1; null: nobody knows. */
  value: number | null;
  /** Drawn as a cross: it cannot work now. */
  isDown?: boolean;
  /** Drawn hollow: nobody holds it. */
  isFree?: boolean;
  /** What the pointer and screen readers are told. */
  text: string;
}

export interface HeatMapProps {
  label: string;
  groups: { label: string; cells: HeatCell[] }[];
  /** A cell was chosen by click or Enter. */
  onChoose?: (group: number, cell: number) => void;
  maxHeight?: number;
}

/** Thousands of cells on one canvas; arrow keys walk, Enter chooses. */
export function HeatMap({ label, groups, onChoose, maxHeight = 420 }: HeatMapProps) {
  const { t } = useTranslation("app");
  const { ref: box, width } = useElementSize();
  const canvas = useRef<HTMLCanvasElement>(null);
  const scheme = useComputedColorScheme("light");
  const [at, setAt] = useState<{ group: number; cell: number } | null>(null);
  const counts = useMemo(
    () => groups.map((group) => ({ label: group.label, count: group.cells.length })),
    [groups],
  );
  const layout = useMemo(() => heatLayout(counts, width, maxHeight), [counts, width, maxHeight]);
  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, { groups, layout, width, scheme });
  }, [groups, layout, width, scheme]);
  const told = at ? `${groups[at.group]?.label} · ${groups[at.group]?.cells[at.cell]?.text}` : "";
  const pointed = (event: MouseEvent<HTMLElement>) => {
    const edge = event.currentTarget.getBoundingClientRect();
    return cellAt(layout, counts, { x: event.clientX - edge.left, y: event.clientY - edge.top });
  };
  const move = (event: KeyboardEvent) => {
    if (event.key === "Enter" && at) onChoose?.(at.group, at.cell);
    const next = walked(event.key, at, { counts, perRow: layout.perRow });
    if (!next) return;
    event.preventDefault();
    setAt(next);
  };
  return (
    <div ref={box} className="heat">
      <div
        role="application"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys walk over the cells
        tabIndex={0}
        aria-roledescription={t("heat.role")}
        aria-label={`${label}. ${t("heat.keys")}`}
        onMouseMove={(event) => setAt(pointed(event))}
        onMouseLeave={() => setAt(null)}
        onClick={(event) => {
          const found = pointed(event);
          if (found) onChoose?.(found.group, found.cell);
        }}
        onKeyDown={move}
        onFocus={() => setAt((old) => old ?? { group: 0, cell: 0 })}
        style={{ cursor: at && onChoose ? "pointer" : "default" }}
      >
        <canvas ref={canvas} />
      </div>
      {at && layout.places[at.group] && <Mark layout={layout} at={at} />}
      <p className="heat-told" aria-live="polite">
        {told || t("heat.hint")}
      </p>
    </div>
  );
}

function Mark({ layout, at }: { layout: HeatLayout; at: { group: number; cell: number } }) {
  const place = layout.places[at.group] ?? { x: 0, y: 0 };
  const step = layout.cell + layout.gap;
  const left = place.x + (at.cell % layout.perRow) * step;
  const top = place.y + Math.floor(at.cell / layout.perRow) * step;
  const size = layout.cell;
  return (
    <i className="heat-mark" aria-hidden="true" style={{ left, top, width: size, height: size }} />
  );
}

function walked(
  key: string,
  at: { group: number; cell: number } | null,
  facts: { counts: { count: number }[]; perRow: number },
): { group: number; cell: number } | null {
  const here = at ?? { group: 0, cell: 0 };
  const count = facts.counts[here.group]?.count ?? 0;
  const last = facts.counts.length - 1;
  if (key === "ArrowRight") {
    if (here.cell + 1 < count) return { ...here, cell: here.cell + 1 };
    return here.group < last ? { group: here.group + 1, cell: 0 } : null;
  }
  if (key === "ArrowLeft") {
    if (here.cell > 0) return { ...here, cell: here.cell - 1 };
    const before = here.group - 1;
    return before >= 0 ? { group: before, cell: (facts.counts[before]?.count ?? 1) - 1 } : null;
  }
  if (key === "ArrowDown" && here.group < last) return { group: here.group + 1, cell: 0 };
  if (key === "ArrowUp" && here.group > 0) return { group: here.group - 1, cell: 0 };
  return null;
}

interface Drawn {
  groups: HeatMapProps["groups"];
  layout: HeatLayout;
  width: number;
  scheme: "light" | "dark";
}

function draw(canvas: HTMLCanvasElement, { groups, layout, width, scheme }: Drawn): void {
  const scale = window.devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = layout.height * scale;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${layout.height}px`;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(scale, scale);
  pen.font = `${Math.min(12, layout.cell)}px ${getComputedStyle(canvas).fontFamily}`;
  pen.textBaseline = "middle";
  const ink = scheme === "dark" ? "#c1c2c5" : "#495057";
  groups.forEach((group, index) => {
    const place = layout.places[index];
    if (!place) return;
    if (layout.labelWidth > 0) {
      pen.fillStyle = ink;
      const room = layout.labelWidth - 8;
      pen.fillText(
        fitted(pen, group.label, room),
        place.x - layout.labelWidth,
        place.y + layout.cell / 2,
      );
    }
    group.cells.forEach((cell, at) => {
      const step = layout.cell + layout.gap;
      const x = place.x + (at % layout.perRow) * step;
      const y = place.y + Math.floor(at / layout.perRow) * step;
      drawCell(pen, cell, { x, y, size: layout.cell, ink });
    });
  });
}

function drawCell(
  pen: CanvasRenderingContext2D,
  cell: HeatCell,
  { x, y, size, ink }: { x: number; y: number; size: number; ink: string },
): void {
  if (cell.isDown) {
    pen.strokeStyle = ink;
    pen.lineWidth = 1.2;
    pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
    pen.beginPath();
    pen.moveTo(x + 1, y + 1);
    pen.lineTo(x + size - 1, y + size - 1);
    pen.moveTo(x + size - 1, y + 1);
    pen.lineTo(x + 1, y + size - 1);
    pen.stroke();
    return;
  }
  if (cell.isFree || cell.value === null) {
    pen.strokeStyle = cell.isFree ? "#56b89b" : ink;
    pen.lineWidth = 1;
    pen.setLineDash(cell.isFree ? [] : [2, 2]);
    pen.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
    pen.setLineDash([]);
    return;
  }
  pen.fillStyle = cividis(cell.value);
  pen.fillRect(x, y, size, size);
}

function fitted(pen: CanvasRenderingContext2D, text: string, room: number): string {
  if (pen.measureText(text).width <= room) return text;
  let short = text;
  while (short.length > 1 && pen.measureText(`${short}…`).width > room) short = short.slice(0, -1);
  return `${short}…`;
}
