import { Button, SegmentedControl, Select } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { useUrlState } from "../../lib/urlState";
import { useLive } from "../../lib/useLive";
import { DataTable } from "../../ui/DataTable";
import { Icon } from "../../ui/Icon";
import { moreOf } from "../../ui/morePages";
import { Page } from "../../ui/Page";
import { useMay, useSession } from "../../ui/session";
import { Empty, Failed, Loading, Stale } from "../../ui/states";
import { useTableState } from "../../ui/tableState";
import { useFormat } from "../../ui/useFormat";
import { type Asked, allocationsQuery, type Phase, waitingQuery } from "./api";
import { columnsOf } from "./columns";
import { Waiting } from "./Waiting";

const PHASES: Record<string, Phase[]> = {
  open: ["Allocated", "Pending"],
  Pending: ["Pending"],
  Allocated: ["Allocated"],
  Released: ["Released"],
  Failed: ["Failed"],
  all: [],
};

/** Who holds what, who waits and why. */
export default function AllocationsPage() {
  const { t } = useTranslation("allocations");
  const format = useFormat();
  const mayAsk = useMay("allocations.write");
  const waiting = useQuery(waitingQuery);
  const { asked, tools } = useAsked();
  const list = useInfiniteQuery(allocationsQuery(asked));
  useLive(["allocation.*"], ["allocations"]);
  const columns = useMemo(() => columnsOf(t, format), [t, format]);
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.rows) ?? [], [list.data]);
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={
        mayAsk && (
          <Button
            component={Link}
            to={"/allocations/new" as never}
            leftSection={<Icon name="plus" />}
          >
            {t("action.request")}
          </Button>
        )
      }
    >
      {(waiting.data?.rows.length ?? 0) > 0 && (
        <Waiting rows={waiting.data?.rows ?? []} total={waiting.data?.total ?? 0} />
      )}
      {list.data === undefined ? (
        list.isError ? (
          <Failed error={list.error} retry={() => void list.refetch()} />
        ) : (
          <Loading rows={12} />
        )
      ) : (
        <>
          {list.isError && <Stale since={list.dataUpdatedAt} retry={() => void list.refetch()} />}
          <DataTable
            label={t("title")}
            rows={rows}
            columns={columns}
            rowKey={(row) => row.allocationId}
            sort="-requestedAt"
            isServerSide
            tools={tools}
            csvHref={csvOf(asked)}
            empty={
              asked.phases.length === 0 && (
                <Empty title={t("empty.title")} hint={t("empty.hint")} icon="allocations" />
              )
            }
            more={moreOf(list)}
          />
        </>
      )}
    </Page>
  );
}

/** What is asked for, from the address, and the controls that change it. */
function useAsked() {
  const { t } = useTranslation("allocations");
  const { team, user } = useSession();
  const table = useTableState("");
  const [whose, setWhose] = useUrlState("whose", "all");
  const [phase, setPhase] = useUrlState("phase", "open");
  const [teamId, setTeam] = useUrlState("team", "");
  const asked: Asked = {
    phases: PHASES[phase] ?? [],
    teamId: whose === "team" ? (team ?? undefined) : teamId || undefined,
    userId: whose === "mine" ? (user ?? undefined) : undefined,
    search: table.search,
    sort: table.sort || "-requestedAt",
  };
  const choices = [
    { value: "all", label: t("whose.all") },
    ...(team ? [{ value: "team", label: t("whose.team") }] : []),
    ...(user ? [{ value: "mine", label: t("whose.mine") }] : []),
  ];
  const tools = (
    <>
      {choices.length > 1 && (
        <SegmentedControl size="xs" data={choices} value={whose} onChange={setWhose} />
      )}
      <Select
        size="xs"
        w={150}
        label={t("column.phase")}
        allowDeselect={false}
        data={Object.keys(PHASES).map((value) => ({ value, label: t(`phase.${value}`) }))}
        value={phase in PHASES ? phase : "all"}
        onChange={(value) => setPhase(value ?? "open")}
      />
      {teamId && (
        <Button
          size="xs"
          variant="light"
          rightSection={<Icon name="close" size={14} />}
          onClick={() => setTeam("")}
        >
          {t("column.team")}: {teamId}
        </Button>
      )}
    </>
  );
  return { asked, tools };
}

function csvOf(asked: Asked): string {
  const href = apiHref("/api/v1/gpu/allocations", {
    format: "csv",
    teamId: asked.teamId,
    userId: asked.userId,
    search: asked.search,
    sort: asked.sort,
  });
  return asked.phases.reduce((address, phase) => `${address}&phase=${phase}`, href);
}
