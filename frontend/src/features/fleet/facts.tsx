import type { ReactNode } from "react";
import "./fleet.css";

/** Names and values side by side; what nobody knows is a dash. */
export function Facts({ rows }: { rows: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value == null || value === "" ? "–" : value}</dd>
        </div>
      ))}
    </dl>
  );
}
