import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { Meter } from "../../ui/Bars";
import { Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

/** How many slices of each profile are held. */
export function SlicesPanel({ slices }: { slices: Screen["slices"] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const total = slices.reduce((sum, one) => sum + one.total, 0);
  return (
    <Panel
      title={t("slices.title")}
      side={
        <Anchor component={Link} to={"/mig" as never} size="sm">
          {t("slices.all", { shown: format.number(total) })}
        </Anchor>
      }
    >
      {slices.length === 0 ? (
        <Empty title={t("slices.none")} hint={t("slices.noneHint")} icon="slices" />
      ) : (
        slices.map((one) => (
          <Meter
            key={`${one.modelId} ${one.profileName}`}
            label={`${one.profileName} · ${one.modelId}`}
            ratio={one.held / one.total}
            shown={t("slices.held", {
              held: format.number(one.held),
              total: format.number(one.total),
            })}
            to="/mig"
          />
        ))
      )}
    </Panel>
  );
}
