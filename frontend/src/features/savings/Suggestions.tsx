import { Badge, Button, Group, Modal, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { useMay } from "../../ui/session";
import { Empty } from "../../ui/states";
import { Told, useTold } from "../../ui/Told";
import type { Column } from "../../ui/tableRows";
import { useFormat } from "../../ui/useFormat";
import { isOpen, type Suggestion } from "./api";
import { useAnswers } from "./useAnswers";

interface SuggestionsProps {
  rows: Suggestion[];
  /** Leave an allocation alone for a while. */
  onExempt: (allocationId: string) => void;
}

/** What could be saved, with the evidence; follow it, or say no for good. */
export function Suggestions({ rows, onExempt }: SuggestionsProps) {
  const { t } = useTranslation("savings");
  const format = useFormat();
  const mayAct = useMay("allocations.write");
  const [shown, setShown] = useState<Suggestion | null>(null);
  const columns = useMemo<Column<Suggestion>[]>(
    () => [
      {
        id: "target",
        header: t("column.what"),
        value: (row) => row.target,
        cell: (row) => <Link to={`/allocations/${row.allocationId}` as never}>{row.target}</Link>,
      },
      { id: "team", header: t("column.team"), value: (row) => row.teamId, filter: "values" },
      {
        id: "status",
        header: t("column.status"),
        value: (row) => row.status,
        filter: ["open", "noticed", "applied", "dismissed", "exempt", "withdrawn"].map((value) => ({
          value,
          label: t(`status.${value}`),
        })),
        cell: (row) => (
          <Badge
            variant="light"
            color={COLORS[row.status] ?? "gray"}
            tt="none"
            radius="sm"
            className="state-badge"
          >
            {t(`status.${row.status}`, { defaultValue: row.status })}
          </Badge>
        ),
      },
      {
        id: "saving",
        header: t("column.saving"),
        align: "end",
        value: (row) => row.saving,
        cell: (row) => format.money(row.saving),
      },
      {
        id: "confidence",
        header: t("column.confidence"),
        align: "end",
        value: (row) => row.confidence,
        cell: (row) => format.ratio(row.confidence),
      },
      {
        id: "created",
        header: t("column.since"),
        value: (row) => row.createdAt,
        cell: (row) => format.since(row.createdAt),
      },
      {
        id: "saved",
        header: t("column.saved"),
        align: "end",
        value: (row) => row.saved,
        cell: (row) => format.money(row.saved),
        hidden: true,
      },
      {
        id: "evidence",
        header: "",
        cell: (row) => (
          <Button size="compact-xs" variant="default" onClick={() => setShown(row)}>
            {t("evidence.open")}
          </Button>
        ),
      },
    ],
    [t, format],
  );
  return (
    <>
      <DataTable
        name="suggestions"
        label={t("suggestion.title")}
        rows={rows}
        columns={columns}
        rowKey={(row) => String(row.id)}
        sort="-saving"
        csvHref={apiHref("/api/v1/gpu/suggestions", { format: "csv" })}
        empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="savings" />}
      />
      {shown && (
        <Evidence
          one={shown}
          mayAct={mayAct}
          onClose={() => setShown(null)}
          onExempt={() => {
            setShown(null);
            onExempt(shown.allocationId);
          }}
        />
      )}
    </>
  );
}

const COLORS: Record<string, string> = {
  open: "yellow",
  noticed: "orange",
  applied: "teal",
  dismissed: "gray",
};

interface EvidenceProps {
  one: Suggestion;
  mayAct: boolean;
  onClose: () => void;
  onExempt: () => void;
}

function Evidence({ one, mayAct, onClose, onExempt }: EvidenceProps) {
  const { t } = useTranslation("savings");
  const format = useFormat();
  const speak = useTold();
  const { dismiss, apply } = useAnswers(one, onClose);
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={one.target}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <Stack>
        <Text size="sm" component="div">
          <Told
            kind="suggestion"
            code={one.type}
            facts={{
              target: one.target,
              gpus: one.evidence.length,
              busiestPct: Math.max(...one.evidence.map((row) => row.lastHourPct)),
            }}
            own={one.description}
          />
        </Text>
        <Text size="sm">
          {t("evidence.terms", {
            effort: speak("effort", one.effort, {}, one.effort),
            risk: speak("risk", one.risk, {}, one.risk),
          })}{" "}
          {one.releaseAt && t("evidence.releaseAt", { time: format.time(one.releaseAt) })}
        </Text>
        <table className="rows">
          <thead>
            <tr>
              <th scope="col">{t("column.gpu")}</th>
              <th scope="col" data-align="end">
                {t("column.recent")}
              </th>
              <th scope="col" data-align="end">
                {t("column.lastHour")}
              </th>
              <th scope="col" data-align="end">
                {t("column.samples")}
              </th>
            </tr>
          </thead>
          <tbody>
            {one.evidence.map((row) => (
              <tr key={`${row.deviceId} ${row.gpuInstanceId}`}>
                <td>{row.deviceId}</td>
                <td data-align="end">{format.pct(row.recentMeanPct, 1)}</td>
                <td data-align="end">{format.pct(row.lastHourPct, 1)}</td>
                <td data-align="end">{format.number(row.samples)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {one.endedAt && (
          <Text size="sm" c="dimmed" component="div">
            {format.time(one.endedAt)} · {one.endedBy} ·{" "}
            <Told kind="suggestionEnded" code={one.endedReason ?? ""} own={one.endedReason} />
          </Text>
        )}
        {mayAct && isOpen(one) && (
          <Group justify="flex-end">
            <Button variant="default" onClick={onExempt}>
              {t("exempt.open")}
            </Button>
            <Button variant="default" loading={dismiss.isPending} onClick={() => dismiss.mutate()}>
              {t("dismiss.send")}
            </Button>
            <Button color="red" loading={apply.isPending} onClick={() => apply.mutate()}>
              {t("apply.send")}
            </Button>
          </Group>
        )}
      </Stack>
    </Modal>
  );
}
