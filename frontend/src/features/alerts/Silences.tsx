import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { DataTable } from "../../ui/DataTable";
import { useMay } from "../../ui/session";
import { Async, Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { type Silence, silencesQuery } from "./api";
import { useEndSilence } from "./useSilences";

/** What nobody is told of now, until when, and who said so. */
export function Silences() {
  const { t } = useTranslation("alerts");
  const format = useFormat();
  const mayAct = useMay("general.write");
  const silences = useQuery(silencesQuery);
  const columns = useMemo<Column<Silence>[]>(
    () => [
      {
        id: "matchers",
        header: t("silence.matchers"),
        value: (row) => wordsOf(row),
        cell: (row) => <code>{wordsOf(row)}</code>,
      },
      { id: "comment", header: t("silence.comment"), value: (row) => row.comment },
      {
        id: "endsAt",
        header: t("column.until"),
        value: (row) => row.endsAt,
        cell: (row) => format.time(row.endsAt),
      },
      { id: "createdBy", header: t("column.who"), value: (row) => row.createdBy },
      ...(mayAct ? [{ id: "end", header: "", cell: (row: Silence) => <End silence={row} /> }] : []),
    ],
    [t, format, mayAct],
  );
  return (
    <Async query={silences} rows={5}>
      {(list) => (
        <DataTable
          name="silences"
          label={t("tab.silences")}
          rows={list.rows}
          columns={columns}
          rowKey={(row) => row.silenceId}
          sort="endsAt"
          empty={<Empty title={t("silence.none")} hint={t("silence.noneHint")} icon="off" />}
        />
      )}
    </Async>
  );
}

function wordsOf(silence: Silence): string {
  return silence.matchers.map((one) => `${one.name}${one.operator}${one.value}`).join(", ");
}

function End({ silence }: { silence: Silence }) {
  const { t } = useTranslation("alerts");
  const end = useEndSilence();
  return (
    <Button size="compact-xs" variant="default" onClick={() => end.mutate(silence.silenceId)}>
      {t("silence.end")}
    </Button>
  );
}
