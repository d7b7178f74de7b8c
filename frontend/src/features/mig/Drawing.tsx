import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { ScreenDevice } from "./api";
import { type Place, slotsOf, written } from "./layouts";
import "./mig.css";

interface DrawingProps {
  device: ScreenDevice;
  label: string;
  units: number;
  sizes: Readonly<Record<string, number>>;
  places: readonly Place[];
  /** Take away a slice that nobody holds. */
  onRemove?: (place: Place) => void;
}

/** A card as it is, or would be, cut: each slice at its true place, with who holds it. */
export function Drawing({ device, label, units, sizes, places, onRemove }: DrawingProps) {
  const { t } = useTranslation("mig");
  const known = new Map(device.slices.map((one) => [written([one]), one]));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse must be able to scroll
    <section className="drawing-box" aria-label={label} tabIndex={0}>
      <ol
        className="drawing"
        aria-label={label}
        style={{ gridTemplateColumns: `repeat(${units}, minmax(0, 1fr))` }}
      >
        {slotsOf(units, places, sizes).map(({ start, size, place }) => {
          const slice = place && known.get(written([place]));
          const state = place ? (slice ? (slice.isHeld ? "held" : "idle") : "new") : "gap";
          return (
            <li
              key={start}
              data-state={state}
              style={{ gridColumn: `${start + 1} / span ${size}` }}
              title={place ? `${place.profile} @ ${start}` : undefined}
            >
              <b>{place?.profile ?? ""}</b>
              {slice?.holder ? (
                <Link to={`/allocations/${slice.holder.allocationId}` as never}>
                  {slice.holder.namespace}/{slice.holder.podName}
                </Link>
              ) : (
                <span>{t(`slice.${state}`)}</span>
              )}
              {place && state !== "held" && onRemove && (
                <button
                  type="button"
                  className="quiet"
                  aria-label={t("layout.remove", { profile: place.profile, start })}
                  onClick={() => onRemove(place)}
                >
                  {t("layout.removeShort")}
                </button>
              )}
            </li>
          );
        })}
        {Array.from({ length: units }, (_, unit) => unit).map((unit) => (
          <li key={`unit-${unit}`} className="unit" aria-hidden="true">
            {unit}
          </li>
        ))}
      </ol>
    </section>
  );
}
