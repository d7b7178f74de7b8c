import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Icon, type IconName } from "../../ui/Icon";
import { Async, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type Budget, noticesQuery } from "./api";
import "./budgets.css";

const LOOKS: Record<string, [color: string, icon: IconName]> = {
  ok: ["teal", "check"],
  warning: ["yellow", "warning"],
  exceeded: ["red", "error"],
};

/** How one budget stands: spent, where its thresholds are, and where it will be at the end. */
export function BudgetCard({ budget, onEdit }: { budget: Budget; onEdit?: () => void }) {
  const { t } = useTranslation("budgets");
  const format = useFormat();
  const [isOpen, setOpen] = useState(false);
  const { status } = budget;
  const amount = (value: number | null) =>
    budget.unit === "money"
      ? format.money(value)
      : `${format.number(value, 1)} ${t("unit.gpuHours")}`;
  const [color, icon] = LOOKS[status.state] ?? (["gray", "info"] as const);
  const name = budget.scope === "cluster" ? t("scope.cluster") : budget.scopeName;
  return (
    <Panel
      title={name}
      side={
        <Badge
          color={color}
          variant="light"
          tt="none"
          radius="sm"
          className="state-badge"
          leftSection={<Icon name={icon} size={13} />}
        >
          {t(`state.${status.state}`)}
        </Badge>
      }
    >
      <Stack gap="xs">
        <Text size="xs" c="dimmed">
          {t(`scope.${budget.scope}`)} · {t(`period.${budget.period}`)} ·{" "}
          {format.date(status.periodStart)} – {format.date(status.periodEnd)}
        </Text>
        <div>
          <Text component="span" className="figure">
            {amount(status.spent)}
          </Text>{" "}
          <Text span c="dimmed">
            {t("of", { amount: amount(budget.amount) })} · {format.pct(status.pct)}
          </Text>
        </div>
        <Bar budget={budget} />
        <Text size="sm">
          {status.remaining >= 0
            ? t("left", { amount: amount(status.remaining) })
            : t("over", { amount: amount(-status.remaining) })}
          {status.projected !== null &&
            ` · ${t("projected", { amount: amount(status.projected) })}`}
        </Text>
        <Text size="xs" c="dimmed">
          {t(`action.${budget.action}`)}
          {budget.note ? ` · ${budget.note}` : ""}
        </Text>
        <Group gap="xs">
          <Button size="compact-xs" variant="default" component={Link} to={behind(budget) as never}>
            {t("rows")}
          </Button>
          <Button
            size="compact-xs"
            variant="default"
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
          >
            {t("notices.open")}
          </Button>
          {onEdit && (
            <Button size="compact-xs" variant="default" onClick={onEdit}>
              {t("app:action.edit")}
            </Button>
          )}
        </Group>
        {isOpen && <Notices budget={budget} amount={amount} />}
      </Stack>
    </Panel>
  );
}

/** The costs behind it: the same scope, over its period as far as a window has a word for it. */
function behind(budget: Budget): string {
  const window = { day: "today", week: "7d", month: "month", quarter: "90d" }[budget.period];
  const only =
    budget.scope === "cluster" ? "" : `&${budget.scope}=${encodeURIComponent(budget.scopeName)}`;
  const aggregate = budget.scope === "cluster" ? "team" : "day";
  return `/cost?window=${window}&aggregate=${aggregate}${only}`;
}

function Bar({ budget }: { budget: Budget }) {
  const { t } = useTranslation("budgets");
  const format = useFormat();
  const { status } = budget;
  const projectedPct = status.projected === null ? null : (100 * status.projected) / budget.amount;
  const widest = Math.max(100, status.pct, ...budget.thresholdsPct, projectedPct ?? 0);
  const at = (pct: number) => `${(100 * Math.max(0, pct)) / widest}%`;
  const told = budget.thresholdsPct.map((pct) => format.pct(pct)).join(", ");
  return (
    <div
      className="budget-bar"
      data-state={status.state}
      role="img"
      aria-label={t("bar", { pct: format.pct(status.pct), thresholds: told })}
    >
      {projectedPct !== null && <i className="projected" style={{ width: at(projectedPct) }} />}
      <i className="spent" style={{ width: at(status.pct) }} />
      {budget.thresholdsPct.map((pct) => (
        <b key={pct} style={{ insetInlineStart: at(pct) }} title={format.pct(pct)} />
      ))}
    </div>
  );
}

interface NoticesProps {
  budget: Budget;
  amount: (value: number | null) => string;
}

function Notices({ budget, amount }: NoticesProps) {
  const { t } = useTranslation("budgets");
  const format = useFormat();
  const notices = useQuery(noticesQuery(budget.id));
  return (
    <Async
      query={notices}
      rows={2}
      isEmpty={(list) => list.rows.length === 0}
      empty={
        <Text size="sm" c="dimmed">
          {t("notices.none")}
        </Text>
      }
    >
      {(list) => (
        <ul className="budget-notices">
          {list.rows.map((notice) => (
            <li key={notice.id}>
              {format.time(notice.noticedAt)} ·{" "}
              {notice.mark === "run-rate" ? t("notices.pace") : `${notice.mark} %`} ·{" "}
              {amount(notice.spent)}
            </li>
          ))}
        </ul>
      )}
    </Async>
  );
}
