import { SegmentedControl } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { BUCKETS, SERIES } from "../../lib/colors";
import { useUrlState } from "../../lib/urlState";
import { SplitBar } from "../../ui/Bars";
import { Async, Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type LayoutStretch, layoutsQuery, ledgerQuery } from "./api";
import { useReasonWords } from "./ReasonWords";
import { type Span, type Timeline, timelineOf } from "./timeline";

/** What is narrower cannot be hit with a finger: it is told, but leads nowhere. */
const LEAST_PX = 24;
const DAYS = ["1", "7", "30", "90"] as const;
const STATES: Record<string, string> = {
  READY: "#237032",
  MAINTENANCE: "#9a5b00",
  FAILED: "#c92a2a",
  OFFLINE: "#5c636a",
  RECONFIGURING: "#7048a8",
};

/** Who held the GPU, what state it was in, how it was cut, and where its time went. */
export function DeviceTimeline({ deviceId, isMig }: { deviceId: string; isMig: boolean }) {
  const { t } = useTranslation("fleet");
  const [days, setDays] = useUrlState("days", "7");
  const ledger = useQuery(ledgerQuery(deviceId, Number(days) || 7));
  const layouts = useQuery({ ...layoutsQuery(deviceId), enabled: isMig });
  return (
    <Panel
      title={t("timeline.title")}
      note={t("timeline.note")}
      side={
        <SegmentedControl
          size="xs"
          aria-label={t("timeline.window")}
          value={days}
          onChange={setDays}
          data={DAYS.map((one) => ({ value: one, label: t("timeline.days", { count: +one }) }))}
        />
      }
    >
      <Async query={ledger}>
        {(found) =>
          found.timeline.length === 0 ? (
            <Empty title={t("timeline.empty")} icon="queue" />
          ) : (
            <>
              <Lanes
                timeline={timelineOf(found.timeline)}
                layouts={layouts.data?.rows ?? []}
                names={new Map(found.holders.map((one) => [one.allocationId, nameOf(one)]))}
              />
              <Buckets buckets={found.buckets} />
            </>
          )
        }
      </Async>
    </Panel>
  );
}

function nameOf(holder: { namespace: string; podName: string }): string {
  return `${holder.namespace}/${holder.podName}`;
}

interface LanesProps {
  timeline: Timeline;
  layouts: readonly LayoutStretch[];
  /** What an allocation is called, by its id. */
  names: ReadonlyMap<string, string>;
}

function Lanes({ timeline, layouts, names }: LanesProps) {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  const reasonWords = useReasonWords();
  const { ref, width: lanePx } = useElementSize();
  const width = timeline.end - timeline.start || 1;
  const isWide = (span: Span) => (lanePx * (span.end - span.start)) / width >= LEAST_PX;
  const place = (span: { start: number; end: number }) => ({
    left: `${(100 * (span.start - timeline.start)) / width}%`,
    width: `${(100 * (span.end - span.start)) / width}%`,
  });
  const when = (span: Span) =>
    `${format.time(span.start * 1000)} – ${format.time(span.end * 1000)}`;
  return (
    <div className="timeline">
      <span>{t("timeline.state")}</span>
      <div className="lane" ref={ref}>
        {timeline.states.map((span) => (
          <span
            key={span.start}
            title={`${t(`app:state.value.${span.key}`, { defaultValue: span.key })}${span.note ? ` (${reasonWords(span.note)})` : ""}, ${when(span)}`}
            style={{ ...place(span), background: STATES[span.key] ?? "#5c636a" }}
          >
            {t(`app:state.value.${span.key}`, { defaultValue: span.key })}
          </span>
        ))}
      </div>
      {layouts.length > 0 && (
        <>
          <span>{t("timeline.layout")}</span>
          <div className="lane">
            {cut(layouts, timeline).map(({ span, text }) => (
              <span
                key={span.start}
                title={`${text}, ${when(span)}`}
                style={{ ...place(span), background: "#495057" }}
              >
                {text}
              </span>
            ))}
          </div>
        </>
      )}
      {timeline.lanes.map((lane, index) => (
        <Hold
          key={lane[0]?.key}
          lane={lane}
          isFirst={index === 0}
          place={place}
          isWide={isWide}
          when={when}
          names={names}
        />
      ))}
      <span />
      <div className="ticks" aria-hidden="true">
        <span>{format.time(timeline.start * 1000)}</span>
        <span>{format.time(timeline.end * 1000)}</span>
      </div>
    </div>
  );
}

interface HoldProps {
  lane: Span[];
  isFirst: boolean;
  place: (span: Span) => { left: string; width: string };
  isWide: (span: Span) => boolean;
  when: (span: Span) => string;
  names: LanesProps["names"];
}

function Hold({ lane, isFirst, place, isWide, when, names }: HoldProps) {
  const { t } = useTranslation("fleet");
  return (
    <>
      <span>{isFirst ? t("timeline.holds") : ""}</span>
      <div className="lane">
        {lane.map((span) => {
          const name = names.get(span.key) ?? span.key;
          const shown = {
            title: `${name}, ${when(span)}`,
            style: { ...place(span), background: colorOf(span.key) },
          };
          return isWide(span) ? (
            <Link key={span.start} to={`/allocations/${span.key}` as never} {...shown}>
              {name}
            </Link>
          ) : (
            <span key={span.start} {...shown} />
          );
        })}
      </div>
    </>
  );
}

/** The same allocation has the same colour wherever it appears; all carry white text. */
const DARK = [SERIES[0], "#b34700", "#00775a", "#99487c", "#5a4fd0"];

function colorOf(key: string): string {
  let sum = 0;
  for (const sign of key) sum = (sum * 31 + (sign.codePointAt(0) ?? 0)) % 997;
  return DARK[sum % DARK.length] ?? SERIES[0];
}

function cut(layouts: readonly LayoutStretch[], { start, end }: Timeline) {
  return layouts
    .map((one) => {
      const from = Math.max(start, Date.parse(one.startedAt) / 1000);
      const to = Math.min(end, one.endedAt ? Date.parse(one.endedAt) / 1000 : end);
      const text = one.layout.map((slice) => slice.profile).join(" + ") || "–";
      return { span: { start: from, end: to, key: text }, text };
    })
    .filter(({ span }) => span.end > span.start);
}

type Told = { gpuHours: number; cost: number };

function Buckets({ buckets }: { buckets: Record<keyof typeof BUCKETS, Told> }) {
  const { t } = useTranslation("fleet");
  const format = useFormat();
  const names = ["used", "idle", "unattributed", "free", "unavailable"] as const;
  return (
    <div style={{ marginTop: 16 }}>
      <SplitBar
        label={t("timeline.buckets")}
        parts={names.map((name) => ({
          label: t(`bucket.${name}`),
          value: buckets[name].gpuHours,
          color: BUCKETS[name],
          shown: t("timeline.hours", {
            hours: format.number(buckets[name].gpuHours, 1),
            cost: format.money(buckets[name].cost),
          }),
        }))}
      />
    </div>
  );
}
