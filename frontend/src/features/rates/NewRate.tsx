import { Button, Group, Modal, NumberInput, Select, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { ApiProblem } from "../../api/problem";
import { Failed } from "../../ui/states";
import { tell } from "../../ui/toast";
import { useFormat } from "../../ui/useFormat";
import { modelsQuery, newestOf, type Rate, type RateCreate } from "./api";

interface NewRateProps {
  rates: Rate[];
  onClose: () => void;
}

/** A price from a moment on; what is over is never priced anew. */
export function NewRate({ rates, onClose }: NewRateProps) {
  const { t } = useTranslation("rates");
  const format = useFormat();
  const client = useQueryClient();
  const models = useQuery(modelsQuery);
  const [form, setForm] = useState<RateCreate>({ modelId: "", kind: "card", costPerHour: 0 });
  const change = (some: Partial<RateCreate>) => setForm((old) => ({ ...old, ...some }));
  const send = useMutation({
    mutationFn: () =>
      got(api.POST("/api/v1/gpu/rates", { body: { ...form, basedOn: newestOf(rates, form) } })),
    onSuccess: (made) => {
      tell(t("new.done"), `${made.modelId} · ${format.money(made.costPerHour, 4)}`);
      void client.invalidateQueries({ queryKey: ["rates"] });
      onClose();
    },
  });
  const errors = send.error instanceof ApiProblem ? send.error.fieldErrors : {};
  const isMissing = !form.modelId || (form.kind === "profile" && !form.profileName);
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("new.title")}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          send.mutate();
        }}
      >
        <Stack>
          <Select
            label={t("column.model")}
            required
            searchable
            data-autofocus
            data={(models.data?.rows ?? []).map((one) => one.modelId)}
            value={form.modelId}
            error={errors.modelId}
            onChange={(value) => change({ modelId: value ?? "" })}
          />
          <Select
            label={t("column.what")}
            allowDeselect={false}
            data={(["card", "profile", "share"] as const).map((value) => ({
              value,
              label: t(`kind.${value}`),
            }))}
            value={form.kind ?? "card"}
            onChange={(value) =>
              change({ kind: value as RateCreate["kind"], profileName: undefined })
            }
          />
          {form.kind === "profile" && (
            <TextInput
              label={t("new.profile")}
              description={t("new.profileHint")}
              required
              value={form.profileName ?? ""}
              error={errors.profileName}
              onChange={(event) => change({ profileName: event.currentTarget.value })}
            />
          )}
          <NumberInput
            label={t("new.price", { currency: format.facts.currency })}
            required
            min={0}
            decimalScale={6}
            value={form.costPerHour as number}
            error={errors.costPerHour}
            onChange={(value) => change({ costPerHour: Number(value) })}
          />
          <TextInput
            label={t("new.from")}
            description={t("new.fromHint")}
            type="datetime-local"
            error={errors.effectiveFrom}
            onChange={(event) => change({ effectiveFrom: utcOf(event.currentTarget.value) })}
          />
          <TextInput
            label={t("new.pool")}
            description={t("new.poolHint")}
            value={form.nodePool ?? ""}
            error={errors.nodePool}
            onChange={(event) => change({ nodePool: event.currentTarget.value || undefined })}
          />
          <TextInput
            label={t("column.note")}
            value={form.note ?? ""}
            error={errors.note}
            onChange={(event) => change({ note: event.currentTarget.value || undefined })}
          />
          {send.error && <Failed error={send.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("app:action.cancel")}
            </Button>
            <Button type="submit" loading={send.isPending} disabled={isMissing}>
              {t("new.send")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** A moment of the person's own clock as UTC; nothing for now. */
function utcOf(local: string): string | undefined {
  return local ? new Date(local).toISOString() : undefined;
}
