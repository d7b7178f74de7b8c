import {
  Button,
  Group,
  Modal,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  TextInput,
} from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { ApiProblem } from "../../api/problem";
import { Failed } from "../../ui/states";
import { tell } from "../../ui/toast";
import { useFormat } from "../../ui/useFormat";
import { type Budget, type BudgetCreate, budgetQuery } from "./api";
import { thresholdsOf } from "./thresholds";

interface DialogProps {
  /** The one to change; null makes a new one. */
  budget: Budget | null;
  onClose: () => void;
}

const USUAL: BudgetCreate = {
  scope: "team",
  scopeName: "",
  unit: "money",
  period: "month",
  amount: 1000,
  action: "warn",
  thresholdsPct: [50, 80, 100],
};

/** Set a budget, change it, take it away. */
export function BudgetDialog({ budget, onClose }: DialogProps) {
  const { t } = useTranslation("budgets");
  const format = useFormat();
  const [form, setForm] = useState<BudgetCreate>(budget ? { ...budget } : USUAL);
  const [marks, setMarks] = useState((form.thresholdsPct ?? []).join(", "));
  const change = (some: Partial<BudgetCreate>) => setForm((old) => ({ ...old, ...some }));
  const thresholds = thresholdsOf(marks);
  const { save, remove } = useChanges(budget, onClose);
  const failure = save.error ?? remove.error;
  const errors = failure instanceof ApiProblem ? failure.fieldErrors : {};
  return (
    <Modal
      opened
      onClose={onClose}
      title={budget ? t("edit.title") : t("new.title")}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate({ ...form, thresholdsPct: thresholds ?? [] });
        }}
      >
        <Stack>
          {budget === null && <Subject form={form} change={change} errors={errors} />}
          <NumberInput
            label={t("field.amount")}
            suffix={form.unit === "money" ? ` ${format.facts.currency}` : ` ${t("unit.gpuHours")}`}
            min={0}
            required
            value={form.amount as number}
            error={errors.amount}
            onChange={(value) => change({ amount: Number(value) })}
          />
          <TextInput
            label={t("field.thresholds")}
            description={t("field.thresholdsHint")}
            value={marks}
            error={thresholds === null ? t("field.thresholdsWrong") : errors.thresholdsPct}
            onChange={(event) => setMarks(event.currentTarget.value)}
          />
          <Select
            label={t("field.action")}
            allowDeselect={false}
            data={(["warn", "refuse"] as const).map((value) => ({
              value,
              label: t(`action.${value}`),
            }))}
            value={form.action ?? "warn"}
            onChange={(value) => change({ action: value as BudgetCreate["action"] })}
          />
          <TextInput
            label={t("field.note")}
            value={form.note ?? ""}
            error={errors.note}
            onChange={(event) => change({ note: event.currentTarget.value || null })}
          />
          {failure && <Failed error={failure} />}
          <Group justify="space-between">
            {budget ? (
              <Button
                color="red"
                variant="outline"
                loading={remove.isPending}
                onClick={() => remove.mutate()}
              >
                {t("app:action.delete")}
              </Button>
            ) : (
              <span />
            )}
            <Group>
              <Button variant="default" onClick={onClose}>
                {t("app:action.cancel")}
              </Button>
              <Button type="submit" loading={save.isPending} disabled={thresholds === null}>
                {t("app:action.save")}
              </Button>
            </Group>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

interface SubjectProps {
  form: BudgetCreate;
  change: (some: Partial<BudgetCreate>) => void;
  errors: Record<string, string>;
}

function Subject({ form, change, errors }: SubjectProps) {
  const { t } = useTranslation("budgets");
  return (
    <>
      <Select
        label={t("field.scope")}
        allowDeselect={false}
        data={(["team", "namespace", "user", "cluster"] as const).map((value) => ({
          value,
          label: t(`scope.${value}`),
        }))}
        value={form.scope}
        onChange={(value) => change({ scope: value as BudgetCreate["scope"] })}
      />
      {form.scope !== "cluster" && (
        <TextInput
          label={t("field.scopeName")}
          required
          data-autofocus
          value={form.scopeName ?? ""}
          error={errors.scopeName}
          onChange={(event) => change({ scopeName: event.currentTarget.value })}
        />
      )}
      <Select
        label={t("field.period")}
        allowDeselect={false}
        data={(["day", "week", "month", "quarter"] as const).map((value) => ({
          value,
          label: t(`period.${value}`),
        }))}
        value={form.period ?? "month"}
        onChange={(value) => change({ period: value as BudgetCreate["period"] })}
      />
      <SegmentedControl
        aria-label={t("field.unit")}
        data={(["money", "gpuHours"] as const).map((value) => ({
          value,
          label: t(`unit.${value}`),
        }))}
        value={form.unit ?? "money"}
        onChange={(value) => change({ unit: value as BudgetCreate["unit"] })}
      />
    </>
  );
}

function useChanges(budget: Budget | null, onClose: () => void) {
  const { t } = useTranslation("budgets");
  const client = useQueryClient();
  const done = (title: string) => {
    tell(title);
    void client.invalidateQueries({ queryKey: ["budgets"] });
    onClose();
  };
  const edition = async (id: number) => (await client.fetchQuery(budgetQuery(id))).etag;
  const save = useMutation({
    mutationFn: async (form: BudgetCreate) => {
      if (budget === null) {
        const scopeName = form.scope === "cluster" ? null : form.scopeName;
        await api.POST("/api/v1/gpu/budgets", { body: { ...form, scopeName } });
        return;
      }
      const { amount, action, thresholdsPct, note } = form;
      await api.PUT("/api/v1/gpu/budgets/{budgetId}", {
        params: {
          path: { budgetId: budget.id },
          header: { "if-match": await edition(budget.id) },
        },
        body: { amount, action, thresholdsPct, note },
      });
    },
    onSuccess: () => done(budget ? t("edit.done") : t("new.done")),
  });
  const remove = useMutation({
    mutationFn: async () => {
      const budgetId = budget?.id ?? 0;
      await api.DELETE("/api/v1/gpu/budgets/{budgetId}", {
        params: { path: { budgetId }, header: { "if-match": await edition(budgetId) } },
      });
    },
    onSuccess: () => done(t("edit.removed")),
  });
  return { save, remove };
}
