import { useTranslation } from "react-i18next";
import { Meter } from "../../ui/Bars";
import { Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Plan } from "./api";

interface CurveProps {
  curve: Plan["curve"];
  limit?: (cost: number) => void;
}

/** What less cost would achieve: how many slices stay unserved at each. */
export function Curve({ curve, limit }: CurveProps) {
  const { t } = useTranslation("mig");
  const format = useFormat();
  const most = Math.max(1, ...curve.map((one) => one.unservedSlices));
  return (
    <Panel title={t("curve.title")} note={t("curve.note")}>
      {curve.map((one) => (
        <div key={one.moveCost} className="curve-line">
          <Meter
            label={t("curve.cost", { cost: format.number(one.moveCost, 1) })}
            ratio={one.unservedSlices / most}
            shown={t("curve.left", { count: one.unservedSlices })}
          />
          {limit && (
            <button
              type="button"
              className="quiet"
              aria-label={t("curve.useCost", { cost: format.number(one.moveCost, 1) })}
              onClick={() => limit(one.moveCost)}
            >
              {t("curve.use")}
            </button>
          )}
        </div>
      ))}
    </Panel>
  );
}
