import { Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { StateBadge } from "../../ui/StateBadge";
import { Async } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { type AlertRule, rulesQuery } from "./api";
import { RuleWords } from "./RuleWords";

/** The rules, their thresholds, and how each stands. */
export function Rules() {
  const { t } = useTranslation("alerts");
  const format = useFormat();
  const rules = useQuery(rulesQuery);
  const columns = useMemo<Column<AlertRule>[]>(
    () => [
      {
        id: "name",
        header: t("rule.name"),
        value: (row) => `${row.name} ${row.description}`,
        cell: (row) => (
          <div style={{ whiteSpace: "normal", minWidth: 240 }}>
            <b>{row.name}</b>
            <Text size="xs" c="dimmed" component="div">
              <RuleWords rule={row} />
            </Text>
          </div>
        ),
      },
      {
        id: "severity",
        header: t("column.severity"),
        value: (row) => row.severity,
        filter: "values",
        cell: (row) => <StateBadge state={row.severity} />,
      },
      { id: "component", header: t("rule.component"), value: (row) => row.component, hidden: true },
      {
        id: "threshold",
        header: t("rule.threshold"),
        align: "end",
        value: (row) => row.threshold,
        cell: (row) => (
          <span title={t("rule.usual", { value: format.number(row.defaultThreshold, 2) })}>
            {row.compare} {format.number(row.threshold, 2)}
            {row.threshold !== row.defaultThreshold && " *"}
          </span>
        ),
      },
      {
        id: "for",
        header: t("rule.for"),
        align: "end",
        value: (row) => row.forSeconds,
        cell: (row) => format.duration(row.forSeconds),
      },
      {
        id: "firing",
        header: t("rule.firing"),
        align: "end",
        value: (row) => row.firing,
        cell: (row) => (row.firing > 0 ? <b>{format.number(row.firing)}</b> : "0"),
      },
      {
        id: "pending",
        header: t("rule.pending"),
        align: "end",
        value: (row) => row.pending,
      },
      {
        id: "enabled",
        header: t("rule.enabled"),
        value: (row) => row.enabled,
        cell: (row) => (row.enabled ? t("rule.on") : t("rule.off")),
      },
      {
        id: "evaluatedAt",
        header: t("rule.evaluated"),
        value: (row) => row.evaluatedAt,
        cell: (row) => format.time(row.evaluatedAt),
        hidden: true,
      },
    ],
    [t, format],
  );
  return (
    <Async query={rules} rows={8}>
      {(list) => (
        <>
          <Text size="sm" c="dimmed" mb="sm">
            {t("rule.where")} <code>alerts.thresholds</code>, <code>alerts.disabled</code>
          </Text>
          <DataTable
            name="rules"
            label={t("tab.rules")}
            rows={list.rows}
            columns={columns}
            rowKey={(row) => row.name}
            sort="-firing"
            csvHref={apiHref("/api/v1/gpu/alerts/rules", { format: "csv" })}
          />
        </>
      )}
    </Async>
  );
}
