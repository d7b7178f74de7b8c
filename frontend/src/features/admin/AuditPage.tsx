import { TextInput } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { useUrlState } from "../../lib/urlState";
import { DataTable } from "../../ui/DataTable";
import { moreOf } from "../../ui/morePages";
import { Page } from "../../ui/Page";
import { Empty, Failed, Loading, Stale } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import "./admin.css";
import { type AuditEntry, auditQuery } from "./api";

/** Who did what to what, when and from where. */
export default function AuditPage() {
  const { t } = useTranslation("admin");
  const [principal, setPrincipal] = useUrlState("principal");
  const [action, setAction] = useUrlState("action");
  const [targetId, setTarget] = useUrlState("target");
  const asked = { principal, action, targetId };
  const list = useInfiniteQuery(auditQuery(asked));
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.rows) ?? [], [list.data]);
  const columns = useColumns();
  const field = (label: string, value: string, set: (value: string) => void) => (
    <TextInput
      size="xs"
      w={170}
      label={label}
      value={value}
      onChange={(event) => set(event.currentTarget.value)}
    />
  );
  if (list.data === undefined) {
    return (
      <Page title={t("audit.title")} lead={t("audit.lead")}>
        {list.isError ? (
          <Failed error={list.error} retry={() => void list.refetch()} />
        ) : (
          <Loading rows={10} />
        )}
      </Page>
    );
  }
  return (
    <Page title={t("audit.title")} lead={t("audit.lead")}>
      {list.isError && <Stale since={list.dataUpdatedAt} retry={() => void list.refetch()} />}
      <DataTable
        label={t("audit.title")}
        rows={rows}
        columns={columns}
        rowKey={(row) => String(row.id)}
        csvHref={apiHref("/api/v1/admin/audit", {
          format: "csv",
          principal,
          action,
          targetId,
        })}
        tools={
          <>
            {field(t("audit.who"), principal, setPrincipal)}
            {field(t("audit.what"), action, setAction)}
            {field(t("audit.targetId"), targetId, setTarget)}
          </>
        }
        empty={!principal && !action && !targetId && <Empty title={t("audit.none")} icon="audit" />}
        more={moreOf(list)}
      />
    </Page>
  );
}

function useColumns(): Column<AuditEntry>[] {
  const { t } = useTranslation("admin");
  const format = useFormat();
  return useMemo(
    () => [
      {
        id: "at",
        header: t("audit.when"),
        value: (row) => row.at,
        cell: (row) => format.time(row.at),
      },
      {
        id: "principal",
        header: t("audit.who"),
        value: (row) => row.principal,
        cell: (row) => (
          <>
            {row.principal} <small>({row.principalKind})</small>
          </>
        ),
      },
      { id: "action", header: t("audit.what"), value: (row) => row.action },
      {
        id: "target",
        header: t("audit.target"),
        value: (row) => `${row.targetKind} ${row.targetId}`,
      },
      { id: "outcome", header: t("audit.outcome"), value: (row) => row.outcome, filter: "values" },
      {
        id: "change",
        header: t("audit.change"),
        value: (row) => changeOf(row),
        cell: (row) => (
          <code title={changeOf(row)} className="audit-change">
            {changeOf(row)}
          </code>
        ),
      },
      {
        id: "from",
        header: t("audit.from"),
        value: (row) => row.sourceAddress,
        hidden: true,
      },
      { id: "requestId", header: t("audit.request"), value: (row) => row.requestId, hidden: true },
    ],
    [t, format],
  );
}

/** What was changed: only the fields that differ. */
export function changeOf(entry: Pick<AuditEntry, "before" | "after">): string {
  const before = entry.before ?? {};
  const after = entry.after ?? {};
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]))
    .map((name) => {
      const was = name in before ? `${JSON.stringify(before[name])} → ` : "";
      return `${name}: ${was}${JSON.stringify(after[name] ?? null)}`;
    })
    .join(", ");
}
