import { SegmentedControl, SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { useUrlState, useUrlStates } from "../../lib/urlState";
import { SplitBar } from "../../ui/Bars";
import { Figure } from "../../ui/Figure";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Async, Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type BucketRow, bucketsQuery, byDay, canSplit, costPath, costQuery } from "./api";
import { Controls } from "./Controls";
import { CostTable } from "./CostTable";
import {
  barsOf,
  heldSplitOf,
  type Split as SplitPart,
  splitBars,
  splitOf,
  totalsOf,
} from "./figures";
import { type CostQuestion, csvOf, questionOf } from "./question";
import { StackedBars } from "./StackedBars";
import { CostTree } from "./Treemap";

/** What was spent, by whom and on what; where the rest of the fleet's time went. */
export default function CostPage() {
  const { t } = useTranslation("cost");
  const seesAll = useMay("cost.read");
  const [search] = useUrlStates();
  const question = useMemo(() => questionOf(search), [search]);
  const rows = useQuery(costQuery(question, false, seesAll));
  const buckets = useQuery(bucketsQuery(question, seesAll));
  return (
    <Page title={t("title")} lead={seesAll ? t("lead") : t("leadOwn")}>
      <Controls question={question} />
      <Async query={rows} rows={10}>
        {(list) => (
          <Stack gap="md">
            <Totals rows={list.rows} buckets={buckets.data?.rows} />
            {seesAll && canSplit(question) ? (
              <Panel title={t("split.title")} note={t("split.note")}>
                <Async query={buckets} rows={3}>
                  {(found) => <Split label={t("split.title")} parts={splitOf(found.rows)} />}
                </Async>
              </Panel>
            ) : (
              <Panel title={t("split.held")} note={t("split.heldNote")}>
                <Split label={t("split.held")} parts={heldSplitOf(list.rows)} />
              </Panel>
            )}
            <CostTree question={question} seesAll={seesAll} />
            <Daily question={question} seesAll={seesAll} buckets={buckets.data?.rows} />
            <CostTable question={question} rows={list.rows} seesAll={seesAll} />
          </Stack>
        )}
      </Async>
    </Page>
  );
}

function Totals({
  rows,
  buckets,
}: {
  rows: Parameters<typeof totalsOf>[0];
  buckets?: BucketRow[];
}) {
  const { t } = useTranslation("cost");
  const format = useFormat();
  const totals = totalsOf(rows);
  const split = buckets ? splitOf(buckets) : null;
  const free = split?.find((one) => one.name === "free");
  const idle = split?.find((one) => one.name === "idle");
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }}>
      <Figure label={t("figure.cost")} value={format.money(totals.cost)} />
      <Figure
        label={t("figure.hours")}
        value={format.number(totals.gpuHours)}
        unit={t("figure.hoursUnit")}
        note={
          totals.unpricedHours > 0 &&
          t("figure.unpriced", { hours: format.number(totals.unpricedHours, 1) })
        }
      />
      <Figure label={t("figure.perHour")} value={format.money(totals.perHour)} />
      {split === null && (
        <Figure
          label={t("figure.used")}
          value={format.ratio(totals.cost > 0 ? totals.used / totals.cost : null)}
          note={t("figure.usedNote", {
            idle: format.money(totals.idle),
            unattributed: format.money(totals.unattributed),
          })}
        />
      )}
      {split && (
        <Figure
          label={t("figure.waste")}
          value={format.money((free?.cost ?? 0) + (idle?.cost ?? 0))}
          tone="warn"
          note={t("figure.wasteNote", {
            free: format.money(free?.cost),
            idle: format.money(idle?.cost),
          })}
        />
      )}
    </SimpleGrid>
  );
}

function Split({ label, parts: told }: { label: string; parts: SplitPart[] }) {
  const { t } = useTranslation("cost");
  const format = useFormat();
  const parts = told.map((one) => ({
    label: t(`split.${one.name}`),
    value: one.cost,
    color: one.color,
    shown: `${format.money(one.cost)} · ${t("split.hours", { hours: format.number(one.gpuHours) })}`,
  }));
  return <SplitBar label={label} parts={parts} />;
}

interface DailyProps {
  question: CostQuestion;
  seesAll: boolean;
  buckets?: BucketRow[];
}

function Daily({ question, seesAll, buckets }: DailyProps) {
  const { t } = useTranslation("cost");
  const [kind, setKind] = useUrlState("bars", "spent");
  const days = useQuery(costQuery(question, true, seesAll));
  const isSplit = kind === "split" && buckets !== undefined;
  return (
    <Panel
      title={t("bars.title")}
      note={t("bars.note")}
      side={
        buckets && (
          <SegmentedControl
            size="xs"
            aria-label={t("bars.title")}
            value={kind}
            onChange={setKind}
            data={[
              { value: "spent", label: t("bars.spent") },
              { value: "split", label: t("bars.split") },
            ]}
          />
        )
      }
    >
      {isSplit ? (
        <StackedBars
          label={t("bars.title")}
          bars={splitBars(buckets, (name) => t(`split.${name}`))}
          csvHref={csvOf(question, "/api/v1/gpu/ledger/buckets", "day")}
        />
      ) : (
        <Async
          query={days}
          rows={5}
          isEmpty={(list) => list.rows.length === 0}
          empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="cost" />}
        >
          {(list) => (
            <StackedBars
              label={t("bars.title")}
              bars={barsOf(list.rows, question.aggregate, {
                none: t("none"),
                others: t("bars.others"),
                all: t("figure.cost"),
              })}
              csvHref={csvOf(question, costPath(seesAll), byDay(question.aggregate))}
            />
          )}
        </Async>
      )}
    </Panel>
  );
}
