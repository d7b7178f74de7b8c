import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { Async, Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { type Team, teamsQuery } from "./api";
import { TeamDialog } from "./TeamDialog";

/** Teams: their quota, and the namespaces that are theirs. */
export default function TeamsPage() {
  const { t } = useTranslation("admin");
  const format = useFormat();
  const teams = useQuery(teamsQuery);
  const [edited, setEdited] = useState<Team | "new" | null>(null);
  const columns = useMemo<Column<Team>[]>(
    () => [
      {
        id: "teamId",
        header: t("team.id"),
        value: (row) => row.teamId,
        cell: (row) => (
          <Link to={`/allocations?team=${encodeURIComponent(row.teamId)}` as never}>
            <b>{row.teamId}</b>
          </Link>
        ),
      },
      { id: "name", header: t("team.name"), value: (row) => row.name },
      {
        id: "limit",
        header: t("team.limit"),
        align: "end",
        value: (row) => row.gpuLimitMilli,
        cell: (row) =>
          row.gpuLimitMilli === null ? t("team.unlimited") : format.gpus(row.gpuLimitMilli),
      },
      {
        id: "namespaces",
        header: t("team.namespaces"),
        value: (row) => row.namespaces.join(", "),
      },
      {
        id: "updatedAt",
        header: t("team.changed"),
        value: (row) => row.updatedAt,
        cell: (row) => format.time(row.updatedAt),
        hidden: true,
      },
      {
        id: "edit",
        header: "",
        cell: (row) => (
          <Button size="compact-xs" variant="default" onClick={() => setEdited(row)}>
            {t("app:action.edit")}
          </Button>
        ),
      },
    ],
    [t, format],
  );
  const add = (
    <Button leftSection={<Icon name="plus" />} onClick={() => setEdited("new")}>
      {t("team.new")}
    </Button>
  );
  return (
    <Page title={t("team.title")} lead={t("team.lead")} actions={add}>
      <Async query={teams} rows={6}>
        {(list) => (
          <DataTable
            label={t("team.title")}
            rows={list.rows}
            columns={columns}
            rowKey={(row) => row.teamId}
            sort="teamId"
            csvHref={apiHref("/api/v1/admin/teams", { format: "csv" })}
            empty={
              <Empty title={t("team.none")} hint={t("team.noneHint")} icon="team" action={add} />
            }
          />
        )}
      </Async>
      {edited && (
        <TeamDialog team={edited === "new" ? null : edited} onClose={() => setEdited(null)} />
      )}
    </Page>
  );
}
