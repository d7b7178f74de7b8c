import { SimpleGrid, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "../../lib/useLive";
import { Figure } from "../../ui/Figure";
import { Page } from "../../ui/Page";
import { Async, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type IdleHold, idleQuery, isOpen, type Suggestion, suggestionsQuery } from "./api";
import { ExemptDialog } from "./ExemptDialog";
import { Exemptions } from "./Exemptions";
import { IdleTable } from "./IdleTable";
import { Policy } from "./Policy";
import { Suggestions } from "./Suggestions";

/** What is held and not used, what that costs, and what can be done about it. */
export default function SavingsPage() {
  const { t } = useTranslation("savings");
  const idle = useQuery(idleQuery);
  const suggestions = useQuery(suggestionsQuery(null));
  const [exempted, setExempted] = useState<string | null>(null);
  useLive(["suggestion.*", "allocation.released", "allocation.idle"], ["suggestions"], ["metrics"]);
  return (
    <Page title={t("title")} lead={t("lead")}>
      <Figures idle={idle.data?.rows ?? []} suggestions={suggestions.data?.rows ?? []} />
      <Stack gap="md">
        <Panel title={t("suggestion.title")} note={t("suggestion.note")}>
          <Async query={suggestions} rows={5}>
            {(list) => <Suggestions rows={list.rows} onExempt={setExempted} />}
          </Async>
        </Panel>
        <Panel title={t("idle.title")} note={t("idle.note")}>
          <Async query={idle} rows={5}>
            {(list) => <IdleTable rows={list.rows} />}
          </Async>
        </Panel>
        <Exemptions onAdd={() => setExempted("")} />
        <Policy />
      </Stack>
      {exempted !== null && (
        <ExemptDialog allocationId={exempted} onClose={() => setExempted(null)} />
      )}
    </Page>
  );
}

interface FiguresProps {
  idle: IdleHold[];
  suggestions: Suggestion[];
}

function Figures({ idle, suggestions }: FiguresProps) {
  const { t } = useTranslation("savings");
  const format = useFormat();
  const open = suggestions.filter(isOpen);
  const perHour = sum(open, (one) => one.saving);
  const saved = sum(suggestions, (one) => one.saved);
  return (
    <SimpleGrid cols={{ base: 2, md: 4 }}>
      <Figure
        label={t("figure.idle")}
        value={format.number(idle.length)}
        tone={idle.length > 0 ? "warn" : "plain"}
      />
      <Figure label={t("figure.open")} value={format.number(open.length)} />
      <Figure
        label={t("figure.perHour")}
        value={format.money(perHour)}
        note={t("figure.perMonth", { cost: format.money(perHour * 730) })}
      />
      <Figure label={t("figure.saved")} value={format.money(saved)} tone="good" />
    </SimpleGrid>
  );
}

function sum<Row>(rows: Row[], read: (row: Row) => number | null): number {
  return rows.reduce((total, row) => total + (read(row) ?? 0), 0);
}
