import { useTranslation } from "react-i18next";
import { cividis } from "../lib/colors";

const STEPS = [0, 0.25, 0.5, 0.75, 1];

/** How to read the colours and signs of a heat map of utilisation. */
export function HeatLegend() {
  const { t } = useTranslation("app");
  return (
    <ul className="legend">
      {STEPS.map((step) => (
        <li key={step}>
          <i style={{ background: cividis(step) }} aria-hidden="true" />
          {step * 100} %
        </li>
      ))}
      <li>
        <i className="sign-free" aria-hidden="true" />
        {t("heat.free")}
      </li>
      <li>
        <i className="sign-unknown" aria-hidden="true" />
        {t("heat.unknown")}
      </li>
      <li>
        <i className="sign-down" aria-hidden="true" />
        {t("heat.down")}
      </li>
    </ul>
  );
}
