import { Anchor } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { Meter } from "../../ui/Bars";
import { Empty, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import type { Screen } from "./api";

type Budget = Screen["budgets"][number];

/** How full each budget is, the fullest first. */
export function BudgetsPanel({ budgets }: { budgets: Screen["budgets"] }) {
  const { t } = useTranslation("overview");
  const format = useFormat();
  const amount = (budget: Budget, value: number) =>
    budget.unit === "money" ? format.money(value) : `${format.number(value)} GPU h`;
  return (
    <Panel
      title={t("budgets.title")}
      side={
        <Anchor component={Link} to={"/budgets" as never} size="sm">
          {t("budgets.all")}
        </Anchor>
      }
    >
      {budgets.length === 0 ? (
        <Empty title={t("budgets.none")} hint={t("budgets.noneHint")} icon="budget" />
      ) : (
        budgets.map((budget) => (
          <Meter
            key={budget.id}
            label={`${budget.scopeName} · ${t(`budgets.period.${budget.period}`)}`}
            ratio={budget.status.pct / 100}
            tone={TONES[budget.status.state] ?? "plain"}
            shown={`${amount(budget, budget.status.spent)} / ${amount(budget, budget.amount)} · ${format.pct(budget.status.pct)}`}
            to="/budgets"
          />
        ))
      )}
    </Panel>
  );
}

const TONES: Record<string, "warn" | "bad"> = { warning: "warn", exceeded: "bad" };
