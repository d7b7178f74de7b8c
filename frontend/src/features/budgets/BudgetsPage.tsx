import { Button, SimpleGrid } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { useLive } from "../../lib/useLive";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { useMay } from "../../ui/session";
import { Async, Empty } from "../../ui/states";
import { type Budget, budgetsQuery } from "./api";
import { BudgetCard } from "./BudgetCard";
import { BudgetDialog } from "./BudgetDialog";

/** What may be spent, what was, and when it will be over. */
export default function BudgetsPage() {
  const { t } = useTranslation("budgets");
  const mayWrite = useMay("billing.write");
  const budgets = useQuery({ ...budgetsQuery, refetchInterval: 60_000 });
  const [edited, setEdited] = useState<Budget | "new" | null>(null);
  useLive(["budget.*"], ["budgets"]);
  const open = mayWrite && (
    <Button leftSection={<Icon name="plus" />} onClick={() => setEdited("new")}>
      {t("new.open")}
    </Button>
  );
  return (
    <Page
      title={t("title")}
      lead={t("lead")}
      actions={
        <>
          <Button
            component="a"
            download
            variant="default"
            href={apiHref("/api/v1/gpu/budgets", { format: "csv" })}
            leftSection={<Icon name="download" size={16} />}
          >
            CSV
          </Button>
          {open}
        </>
      }
    >
      <Async
        query={budgets}
        rows={8}
        isEmpty={(list) => list.rows.length === 0}
        empty={
          <Empty title={t("empty.title")} hint={t("empty.hint")} icon="budget" action={open} />
        }
      >
        {(list) => (
          <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }}>
            {inOrder(list.rows).map((budget) => (
              <BudgetCard
                key={budget.id}
                budget={budget}
                onEdit={mayWrite ? () => setEdited(budget) : undefined}
              />
            ))}
          </SimpleGrid>
        )}
      </Async>
      {edited && (
        <BudgetDialog budget={edited === "new" ? null : edited} onClose={() => setEdited(null)} />
      )}
    </Page>
  );
}

/** Those that need somebody first. */
function inOrder(budgets: readonly Budget[]): Budget[] {
  return [...budgets].sort((one, other) => other.status.pct - one.status.pct);
}
