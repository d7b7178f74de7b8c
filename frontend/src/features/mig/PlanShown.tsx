import { Alert, SimpleGrid, Stack } from "@mantine/core";
import { type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { DataTable } from "../../ui/DataTable";
import { Figure } from "../../ui/Figure";
import { Icon } from "../../ui/Icon";
import { Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Plan, PlanRunDetail, Screen } from "./api";
import { Beside } from "./Beside";
import { Curve } from "./Curve";
import { stepColumns } from "./columns";

interface PlanShownProps {
  /** What a preview and a kept plan have in common. */
  plan: Pick<
    PlanRunDetail,
    "demand" | "unserved" | "makespanSeconds" | "optimal" | "steps" | "devices"
  >;
  /** It ended without having been carried out: what it would do is history. */
  isVoid?: boolean;
  screen: Screen;
  /** What only a preview tells: cost, bound, what fits, the curve. */
  preview?: Plan;
  onLimit?: (limit: number) => void;
  children?: ReactNode;
}

/** What a plan does: whether it serves, who is hit, each GPU before and after, every step. */
export function PlanShown(props: PlanShownProps) {
  const { plan, screen, preview, onLimit, children } = props;
  const { t } = useTranslation("mig");
  const format = useFormat();
  const columns = useMemo(() => stepColumns(t, format), [t, format]);
  const hits = plan.steps.filter((step) => step.allocationId);
  return (
    <Stack gap="md">
      <Outcome {...props} hits={hits.length} />
      {children}
      {hits.length > 0 && (
        <Panel title={t("hit.title")} note={t("hit.note")}>
          <DataTable
            name="hit"
            label={t("hit.title")}
            rows={hits}
            columns={hitFirst(columns)}
            rowKey={(row) => String(row.number)}
            maxHeight={340}
          />
        </Panel>
      )}
      {preview && preview.curve.length > 1 && <Curve curve={preview.curve} limit={onLimit} />}
      {plan.devices.length > 0 && <Beside devices={plan.devices} screen={screen} />}
      <Panel title={t("steps.title")} note={t("steps.note")}>
        <DataTable
          name="steps"
          label={t("steps.title")}
          rows={plan.steps}
          columns={columns}
          rowKey={(row) => String(row.number)}
          sort="number"
          maxHeight={420}
          empty={<Empty title={t("steps.empty")} hint={t("steps.emptyHint")} icon="check" />}
        />
      </Panel>
    </Stack>
  );
}

const FIRST = ["hits", "down", "after"];

/** The same columns, beginning with who is hit. */
function hitFirst(columns: ReturnType<typeof stepColumns>) {
  const first = FIRST.flatMap((id) => columns.filter((one) => one.id === id));
  const rest = columns.filter((one) => one.id !== "number" && !FIRST.includes(one.id));
  return [...first, ...rest];
}

type OutcomeProps = Pick<PlanShownProps, "plan" | "preview" | "isVoid"> & { hits: number };

function Outcome({ plan, preview, hits, isVoid }: OutcomeProps) {
  const { t } = useTranslation("mig");
  const format = useFormat();
  const unserved = told(plan.unserved);
  const restarts = plan.steps.filter((step) => step.downtimeSeconds > 0).length;
  const [color, icon, title] = isVoid
    ? (["gray", "info", t("outcome.void")] as const)
    : unserved
      ? (["yellow", "warning", t("outcome.unserved", { what: unserved })] as const)
      : (["teal", "check", t("outcome.served")] as const);
  const [before, after] = [preview?.fragmentationBefore, preview?.fragmentationAfter];
  return (
    <>
      <Alert
        color={color}
        variant="light"
        role="status"
        styles={{ label: { color: "var(--mantine-color-text)" } }}
        icon={<Icon name={icon} />}
        title={title}
      >
        {t("outcome.for", { what: told(plan.demand) || t("outcome.nothing") })}{" "}
        {plan.optimal ? t("outcome.best") : t("outcome.notProved")}
      </Alert>
      <SimpleGrid cols={{ base: 2, sm: 3, xl: 6 }} spacing="sm">
        <Figure label={t("outcome.hits")} value={format.number(hits)} />
        <Figure
          label={t("outcome.restarts")}
          value={format.number(restarts)}
          tone={restarts > 0 ? "warn" : "plain"}
          icon={<Icon name="warning" size={18} />}
        />
        <Figure label={t("outcome.gpus")} value={format.number(plan.devices.length)} />
        <Figure label={t("outcome.time")} value={format.duration(plan.makespanSeconds)} />
        {preview && (
          <Figure
            label={t("outcome.cost")}
            value={format.number(preview.figures.moveCost, 1)}
            note={t("outcome.bound", { bound: format.number(preview.bound.moveCost, 1) })}
          />
        )}
        {preview && (
          <Figure
            label={t("figure.fragmentation")}
            value={format.ratio(after)}
            note={t("outcome.before", { ratio: format.ratio(before) })}
          />
        )}
      </SimpleGrid>
      {preview && <Fits preview={preview} />}
    </>
  );
}

function Fits({ preview }: { preview: Plan }) {
  const { t } = useTranslation("mig");
  const format = useFormat();
  const rows = Object.entries(preview.fitsBefore);
  if (rows.length === 0) return null;
  return (
    <Panel title={t("fits.title")} note={t("fits.note")}>
      <ul className="fits">
        {rows.map(([name, before]) => (
          <li key={name}>
            {name}{" "}
            <b>
              {t("fits.change", {
                before: format.number(before),
                after: format.number(preview.fitsAfter[name]),
              })}
            </b>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function told(counts: Record<string, number>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} × ${name}`)
    .join(", ");
}
