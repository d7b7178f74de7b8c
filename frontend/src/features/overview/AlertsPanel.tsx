import { Anchor, Group } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { AlertWords } from "../../ui/AlertWords";
import { StateBadge } from "../../ui/StateBadge";
import { Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

const SEVERITIES = ["critical", "warning", "info"];

/** What is wrong now, the gravest first. */
export function AlertsPanel({ alerts }: { alerts: Screen["alerts"] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const counted = SEVERITIES.filter((one) => (alerts.bySeverity[one] ?? 0) > 0);
  return (
    <Panel
      title={t("alerts.title")}
      side={
        <Anchor component={Link} to={"/alerts" as never} size="sm">
          {t("alerts.all")}
        </Anchor>
      }
    >
      {counted.length > 0 && (
        <Group gap="xs" mb="xs">
          {counted.map((one) => (
            <StateBadge
              key={one}
              state={one}
              label={`${t(`app:state.value.${one}`)} ${format.number(alerts.bySeverity[one] ?? 0)}`}
            />
          ))}
        </Group>
      )}
      {alerts.newest.length === 0 ? (
        <Empty title={t("alerts.none")} icon="check" />
      ) : (
        <ul className="plain">
          {alerts.newest.map((one) => (
            <li key={one.alertId}>
              <Link to={`/alerts?q=${encodeURIComponent(one.name)}` as never}>{one.name}</Link>
              <StateBadge state={one.severity} />
              <small>
                {[one.target, format.since(one.firedAt)].filter(Boolean).join(" · ")}
                <br />
                <AlertWords name={one.name} part="summary" facts={one} own={one.summary} />
              </small>
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
