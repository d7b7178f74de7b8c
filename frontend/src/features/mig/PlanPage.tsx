import { Alert, Group, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useLive } from "../../lib/useLive";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { StateBadge } from "../../ui/StateBadge";
import { useMay } from "../../ui/session";
import { Async, Panel } from "../../ui/states";
import { Original } from "../../ui/Told";
import { useFormat } from "../../ui/useFormat";
import { type PlanRunDetail, planQuery, screenQuery } from "./api";
import { PlanActions } from "./PlanActions";
import { PlanShown } from "./PlanShown";
import { Tasks } from "./Tasks";

/** A kept plan: where it has come to, and what may be done with it now. */
export default function PlanPage() {
  const { t } = useTranslation("mig");
  const { planId = "" } = useParams({ strict: false }) as { planId?: string };
  const plan = useQuery(planQuery(planId));
  const screen = useQuery(screenQuery);
  const mayWrite = useMay("mig.write");
  useLive(["mig.*"], ["mig"]);
  return (
    <Page
      title={t("run.title", { id: planId.slice(0, 13) })}
      crumbs={[
        { label: t("title"), to: "/mig" },
        { label: t("view.plans"), to: "/mig?view=plans" },
      ]}
      lead={
        plan.data && (
          <Group gap="xs">
            <StateBadge state={plan.data.state} />
            {t("run.by", { who: plan.data.createdBy })}
          </Group>
        )
      }
      actions={mayWrite && plan.data && <PlanActions plan={plan.data} />}
    >
      <Async query={plan} rows={10}>
        {(found) => (
          <>
            <Standing plan={found} />
            <Async query={screen}>
              {(told) => (
                <PlanShown plan={found} screen={told} isVoid={VOID.includes(found.state)} />
              )}
            </Async>
          </>
        )}
      </Async>
    </Page>
  );
}

const VOID = ["FAILED", "ROLLED_BACK"];
const MEANS = ["DRAFT", "APPROVED", "PAUSED", "FAILED", "ROLLED_BACK"];

function Standing({ plan }: { plan: PlanRunDetail }) {
  const { t } = useTranslation("mig");
  const format = useFormat();
  const rows: [string, string][] = [
    [t("col.method"), t(`method.${plan.method}`)],
    [t("col.nodes"), plan.nodes.join(", ") || "–"],
    [t("col.made"), format.time(plan.createdAt)],
    [t("run.approved"), approved(plan, format.time(plan.approvedAt))],
    [t("run.started"), format.time(plan.startedAt)],
    [t("run.ended"), format.time(plan.endedAt)],
    [
      t("run.windows"),
      plan.windows
        .map((one) => `${one.nodeName} ${format.time(one.startsAt)} – ${format.time(one.endsAt)}`)
        .join(", ") || t("run.anyTime"),
    ],
    [t("run.notice"), format.duration(plan.noticeSeconds)],
  ];
  return (
    <>
      {(plan.message || MEANS.includes(plan.state)) && (
        <Alert
          color={plan.state === "FAILED" ? "red" : plan.state === "PAUSED" ? "yellow" : "gray"}
          variant="light"
          role="status"
          icon={<Icon name={plan.state === "FAILED" ? "error" : "info"} />}
        >
          {MEANS.includes(plan.state) && t(`run.means.${plan.state}`)}{" "}
          <Original text={plan.message} />
        </Alert>
      )}
      <Panel title={plan.isUndoing ? t("run.undoing") : t("run.progress")}>
        <Tasks plan={plan} />
        <dl className="changes" style={{ marginTop: 12, marginBottom: 0 }}>
          {rows.map(([name, value]) => (
            <Row key={name} name={name} value={value} />
          ))}
        </dl>
      </Panel>
    </>
  );
}

function Row({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <Text size="sm">{value}</Text>
      </dd>
    </>
  );
}

function approved(plan: PlanRunDetail, when: string): string {
  return plan.approvedBy ? `${plan.approvedBy}, ${when}` : "–";
}
