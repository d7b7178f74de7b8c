import { Button, Group, Modal, MultiSelect, Select, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { ApiProblem } from "../../api/problem";
import { Failed } from "../../ui/states";
import { type ApiKeyCreate, type IssuedApiKey, teamsQuery } from "./api";

const ROLES = ["ADMIN", "OPERATOR", "USER", "VIEWER", "FINANCE"] as const;
const DAYS = ["30", "90", "365", "0"] as const;

interface NewKeyProps {
  onClose: () => void;
  onIssued: (key: IssuedApiKey) => void;
}

/** Issue a key: for whom, with which roles, until when. */
export function NewKey({ onClose, onIssued }: NewKeyProps) {
  const { t } = useTranslation("admin");
  const client = useQueryClient();
  const teams = useQuery(teamsQuery);
  const [form, setForm] = useState<ApiKeyCreate>({ name: "", roles: ["USER"] });
  const [days, setDays] = useState<string>("90");
  const change = (some: Partial<ApiKeyCreate>) => setForm((old) => ({ ...old, ...some }));
  const issue = useMutation({
    mutationFn: () =>
      got(api.POST("/api/v1/admin/api-keys", { body: { ...form, expiresAt: afterDays(days) } })),
    onSuccess: (key) => {
      void client.invalidateQueries({ queryKey: ["admin", "keys"] });
      onIssued(key);
    },
  });
  const errors = issue.error instanceof ApiProblem ? issue.error.fieldErrors : {};
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("key.new")}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          issue.mutate();
        }}
      >
        <Stack>
          <TextInput
            label={t("key.name")}
            description={t("key.nameHint")}
            required
            data-autofocus
            value={form.name}
            error={errors.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
          />
          <MultiSelect
            label={t("key.roles")}
            required
            data={[...ROLES]}
            value={form.roles}
            error={errors.roles}
            onChange={(roles) => change({ roles: roles as ApiKeyCreate["roles"] })}
          />
          <Select
            label={t("key.team")}
            description={t("key.teamHint")}
            withAsterisk={form.roles.includes("USER") && !form.user}
            clearable
            clearButtonProps={{ "aria-label": t("app:action.clear") }}
            data={(teams.data?.rows ?? []).map((one) => ({ value: one.teamId, label: one.name }))}
            value={form.team ?? null}
            error={errors.team}
            onChange={(team) => change({ team })}
          />
          <TextInput
            label={t("key.user")}
            value={form.user ?? ""}
            error={errors.user}
            onChange={(event) => change({ user: event.currentTarget.value || null })}
          />
          <Select
            label={t("key.expires")}
            allowDeselect={false}
            data={DAYS.map((value) => ({ value, label: t(`key.days.${value}`) }))}
            value={days}
            onChange={(value) => setDays(value ?? "90")}
          />
          {issue.error && <Failed error={issue.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("app:action.cancel")}
            </Button>
            <Button
              type="submit"
              loading={issue.isPending}
              disabled={!form.name || form.roles.length === 0}
            >
              {t("key.issue")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function afterDays(days: string): string | null {
  return days === "0" ? null : new Date(Date.now() + Number(days) * 86_400_000).toISOString();
}
