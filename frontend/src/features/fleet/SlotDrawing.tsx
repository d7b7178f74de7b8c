import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { SERIES } from "../../lib/colors";
import type { DeviceDetail, Instance } from "./api";
import { slotsOf } from "./slots";
import "./fleet.css";

type Slice = Pick<
  Instance,
  "migId" | "profileName" | "placementStart" | "placementSize" | "allocationId"
>;

interface SlotProps {
  units: number;
  slices: readonly Slice[];
  holders: DeviceDetail["allocations"];
}

/** The card as it is cut: each slice at its true place, with who holds it. */
export function SlotDrawing({ units, slices, holders }: SlotProps) {
  const { t } = useTranslation("fleet");
  const names = new Map(
    holders.map((one) => [one.allocationId, `${one.namespace}/${one.podName}`]),
  );
  return (
    <ol
      className="slots"
      aria-label={t("slots.label", { count: units })}
      style={{ gridTemplateColumns: `repeat(${units}, minmax(0, 1fr))` }}
    >
      {slotsOf(units, slices).map(({ start, size, slice }) => (
        <li
          key={start}
          data-state={slice ? (slice.allocationId ? "held" : "idle") : "gap"}
          style={{ gridColumn: `${start + 1} / span ${size}` }}
        >
          <b>{slice?.profileName ?? t("slots.gap")}</b>
          {slice?.allocationId && (
            <Link to={`/allocations/${slice.allocationId}` as never}>
              {names.get(slice.allocationId) ?? slice.allocationId}
            </Link>
          )}
          {slice && !slice.allocationId && <span>{t("slots.idle")}</span>}
        </li>
      ))}
      {Array.from({ length: units }, (_, unit) => unit).map((unit) => (
        <li key={`unit-${unit}`} className="unit" aria-hidden="true">
          {unit}
        </li>
      ))}
    </ol>
  );
}

/** A card that is not cut: its thousandths, by who holds them. */
export function ShareDrawing({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation("fleet");
  return (
    <ol className="slots shares" aria-label={t("slots.shares")}>
      {device.allocations.map((holder, index) => (
        <li
          key={holder.allocationId}
          data-state="held"
          style={{ flexGrow: holder.milli, borderTopColor: SERIES[index % SERIES.length] }}
        >
          <b>{t("slots.milli", { milli: holder.milli })}</b>
          <Link to={`/allocations/${holder.allocationId}` as never}>{holder.podName}</Link>
        </li>
      ))}
      {device.freeMilli > 0 && (
        <li data-state="gap" style={{ flexGrow: device.freeMilli }}>
          <b>{t("slots.milli", { milli: device.freeMilli })}</b>
          <span>{t("slots.free")}</span>
        </li>
      )}
    </ol>
  );
}
