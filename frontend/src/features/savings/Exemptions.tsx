import { Button, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { api, type Listing } from "../../api/client";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { Icon } from "../../ui/Icon";
import { useMay } from "../../ui/session";
import { Async, Empty, Panel } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { tell, tellFailure } from "../../ui/toast";
import { useFormat } from "../../ui/useFormat";
import { type Exemption, exemptionsQuery } from "./api";

/** What is left alone although it lies idle, until when, and who said so. */
export function Exemptions({ onAdd }: { onAdd: () => void }) {
  const { t } = useTranslation("savings");
  const exemptions = useQuery(exemptionsQuery);
  const mayAct = useMay("allocations.write");
  const columns = useColumns(mayAct);
  const add = mayAct && (
    <Button size="xs" leftSection={<Icon name="plus" />} onClick={onAdd}>
      {t("exempt.add")}
    </Button>
  );
  return (
    <Panel title={t("exempt.title")} note={t("exempt.note")}>
      <Async query={exemptions} rows={3}>
        {(list) => (
          <DataTable
            name="exempt"
            label={t("exempt.title")}
            rows={list.rows}
            columns={columns}
            rowKey={(row) => String(row.id)}
            sort="until"
            csvHref={apiHref("/api/v1/gpu/suggestions/exemptions", { format: "csv" })}
            tools={add}
            empty={
              <Empty title={t("exempt.none")} hint={t("exempt.noneHint")} icon="off" action={add} />
            }
          />
        )}
      </Async>
    </Panel>
  );
}

function useColumns(mayAct: boolean): Column<Exemption>[] {
  const { t } = useTranslation("savings");
  const format = useFormat();
  return useMemo(
    () => [
      {
        id: "scope",
        header: t("exempt.scope"),
        value: (row) => row.scope,
        cell: (row) => t(`exempt.scopes.${row.scope}`),
      },
      {
        id: "name",
        header: t("exempt.name"),
        value: (row) => row.scopeName,
        cell: (row) =>
          row.scope === "allocation" ? (
            <Link to={`/allocations/${row.scopeName}` as never}>{row.scopeName}</Link>
          ) : (
            row.scopeName
          ),
      },
      {
        id: "until",
        header: t("exempt.until"),
        value: (row) => row.until,
        cell: (row) => (
          <>
            {format.time(row.until)}
            {isOver(row, Date.now()) && (
              <Text size="xs" c="dimmed">
                {t("exempt.over")}
              </Text>
            )}
          </>
        ),
      },
      {
        id: "note",
        header: t("exempt.reason"),
        value: (row) => row.note,
        cell: (row) => (
          <div style={{ whiteSpace: "normal", minWidth: 120, maxWidth: 360 }}>
            {row.note ?? "–"}
          </div>
        ),
      },
      { id: "by", header: t("exempt.by"), value: (row) => row.createdBy },
      ...(mayAct ? [{ id: "end", header: "", cell: (row: Exemption) => <End one={row} /> }] : []),
    ],
    [t, format, mayAct],
  );
}

/** Whether it covers nothing any more at `now`. */
export function isOver(row: Pick<Exemption, "until">, now: number): boolean {
  return new Date(row.until).getTime() <= now;
}

function End({ one }: { one: Exemption }) {
  const { t } = useTranslation("savings");
  const client = useQueryClient();
  const { queryKey } = exemptionsQuery;
  const end = useMutation({
    mutationFn: () =>
      api.DELETE("/api/v1/gpu/suggestions/exemptions/{exemptionId}", {
        params: { path: { exemptionId: one.id } },
      }),
    onMutate: async () => {
      await client.cancelQueries({ queryKey });
      const before = client.getQueryData(queryKey);
      client.setQueryData(queryKey, (list) => list && without(list, one.id));
      return { before };
    },
    onSuccess: () => tell(t("exempt.ended"), one.scopeName),
    onError: (error, _none, kept) => {
      client.setQueryData(queryKey, kept?.before);
      tellFailure(t("exempt.endFailed"), error);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["suggestions"] }),
  });
  return (
    <Button size="compact-xs" variant="default" onClick={() => end.mutate()}>
      {t("exempt.end")}
    </Button>
  );
}

function without(list: Listing<Exemption>, id: number): Listing<Exemption> {
  return { ...list, rows: list.rows.filter((row) => row.id !== id), total: list.total - 1 };
}
