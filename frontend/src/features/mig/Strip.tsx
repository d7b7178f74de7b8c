import { useTranslation } from "react-i18next";
import { counted, type Place, slotsOf } from "./layouts";
import "./mig.css";

export type SliceState = "held" | "idle" | "new";

export interface Drawn extends Place {
  state: SliceState;
}

interface StripProps {
  label: string;
  units: number;
  sizes: Readonly<Record<string, number>>;
  slices: readonly Drawn[];
}

/** A card in one line: each slice at its true place. */
export function Strip({ label, units, sizes, slices }: StripProps) {
  const { t } = useTranslation("mig");
  const told = (state: SliceState) =>
    counted(slices.filter((one) => one.state === state))
      .map(([name, count]) => `${count} × ${name}`)
      .join(", ");
  const parts = (["held", "idle", "new"] as const)
    .filter((state) => told(state))
    .map((state) => `${t(`slice.${state}`)} ${told(state)}`);
  return (
    <div role="img" aria-label={`${label}: ${parts.join("; ") || t("slice.gap")}`}>
      <ol
        className="strip"
        aria-hidden="true"
        style={{ gridTemplateColumns: `repeat(${units}, minmax(0, 1fr))` }}
      >
        {slotsOf(units, slices, sizes).map(({ start, size, place }) => (
          <li
            key={start}
            data-state={place?.state ?? "gap"}
            title={`${place?.profile ?? t("slice.gap")} @ ${start}`}
            style={{ gridColumn: `${start + 1} / span ${size}` }}
          >
            {place ? shortened(place.profile, size, units) : ""}
          </li>
        ))}
      </ol>
    </div>
  );
}

/** `1g` where `1g.10gb` would not fit. */
function shortened(profile: string, size: number, units: number): string {
  return size / units < 0.3 ? (profile.split(".")[0] ?? profile) : profile;
}

/** What the signs of a strip mean. */
export function StripLegend({ withNew = false }: { withNew?: boolean }) {
  const { t } = useTranslation("mig");
  const states = withNew
    ? (["held", "idle", "new", "gap"] as const)
    : (["held", "idle", "gap"] as const);
  return (
    <div className="strip-legend">
      {states.map((state) => (
        <span key={state}>
          <span className="strip" aria-hidden="true">
            <i data-state={state} />
          </span>
          {t(`slice.${state}`)}
        </span>
      ))}
    </div>
  );
}
