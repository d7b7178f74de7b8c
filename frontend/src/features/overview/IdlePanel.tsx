import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

/** Who holds GPUs and does nothing with them, the dearest first. */
export function IdlePanel({ idle }: { idle: Screen["idle"] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  return (
    <Panel
      title={t("idle.title")}
      note={idle.count > 0 ? t("idle.note", { rate: format.money(idle.costPerHour) }) : undefined}
      side={
        <Anchor component={Link} to={"/savings" as never} size="sm">
          {t("idle.all", { shown: format.number(idle.count) })}
        </Anchor>
      }
    >
      {idle.dearest.length === 0 ? (
        <Empty title={t("idle.none")} icon="check" />
      ) : (
        <ul className="plain">
          {idle.dearest.map((one) => (
            <li key={one.allocationId}>
              <Link to={`/allocations/${encodeURIComponent(one.allocationId)}` as never}>
                {one.namespace}/{one.podName}
              </Link>
              <b>{t("idle.rate", { rate: format.money(one.costPerHour) })}</b>
              <small>
                {[
                  one.teamId,
                  t("idle.since", {
                    since: format.since(one.since),
                    busy: format.pct(one.meanPct, 1),
                  }),
                ]
                  .filter(Boolean)
                  .join(" · ")}
              </small>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
