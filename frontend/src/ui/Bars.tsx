import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";

export interface Part {
  label: string;
  value: number;
  color: string;
  /** How the value reads, with its unit. */
  shown: string;
}

/** One bar cut into named parts; the list below says each in words. */
export function SplitBar({
  label,
  parts,
  total,
}: {
  label: string;
  parts: Part[];
  total?: number;
}) {
  const whole = total ?? parts.reduce((sum, part) => sum + part.value, 0);
  return (
    <div>
      <div
        className="split"
        role="img"
        aria-label={`${label}: ${parts.map((one) => `${one.label} ${one.shown}`).join(", ")}`}
      >
        {parts.map((part) => (
          <i
            key={part.label}
            title={`${part.label} ${part.shown}`}
            style={{
              width: `${whole > 0 ? (100 * part.value) / whole : 0}%`,
              background: part.color,
            }}
          />
        ))}
      </div>
      <ul className="legend">
        {parts.map((part) => (
          <li key={part.label}>
            <i style={{ background: part.color }} aria-hidden="true" />
            {part.label} <b>{part.shown}</b>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface MeterProps {
  label: ReactNode;
  /** 0 to 1, and above where it is exceeded. */
  ratio: number | null;
  shown: string;
  tone?: "plain" | "warn" | "bad";
  to?: string;
}

/** A line with its bar: how much of a whole. */
export function Meter({ label, ratio, shown, tone = "plain", to }: MeterProps) {
  return (
    <div className="meter" data-tone={tone}>
      <span>{to ? <Link to={to as never}>{label}</Link> : label}</span>
      <b>{shown}</b>
      <div className="track" aria-hidden="true">
        <i style={{ width: `${Math.min(100, Math.max(0, (ratio ?? 0) * 100))}%` }} />
      </div>
    </div>
  );
}
