import {
  Button,
  Group,
  Modal,
  NumberInput,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { ApiProblem } from "../../api/problem";
import { Failed } from "../../ui/states";
import { tell } from "../../ui/toast";
import type { Team, TeamCreate } from "./api";

interface TeamDialogProps {
  /** The one to change; null makes a new one. */
  team: Team | null;
  onClose: () => void;
}

/** Add a team, or change its name, quota and namespaces. */
export function TeamDialog({ team, onClose }: TeamDialogProps) {
  const { t } = useTranslation("admin");
  const client = useQueryClient();
  const [form, setForm] = useState<TeamCreate>({
    teamId: team?.teamId ?? "",
    name: team?.name ?? "",
    gpuLimitMilli: team?.gpuLimitMilli ?? null,
    namespaces: team?.namespaces ?? [],
  });
  const change = (some: Partial<TeamCreate>) => setForm((old) => ({ ...old, ...some }));
  const save = useMutation({
    mutationFn: async () => {
      const { teamId, ...rest } = form;
      if (team === null) await api.POST("/api/v1/admin/teams", { body: form });
      else {
        await api.PUT("/api/v1/admin/teams/{teamId}", { params: { path: { teamId } }, body: rest });
      }
    },
    onSuccess: () => {
      tell(t("team.saved"), form.name);
      void client.invalidateQueries({ queryKey: ["admin", "teams"] });
      onClose();
    },
  });
  const remove = useMutation({
    mutationFn: () =>
      api.DELETE("/api/v1/admin/teams/{teamId}", { params: { path: { teamId: form.teamId } } }),
    onSuccess: () => {
      tell(t("team.removed"), form.name);
      void client.invalidateQueries({ queryKey: ["admin", "teams"] });
      onClose();
    },
  });
  const [isSure, setSure] = useState(false);
  const failure = save.error ?? remove.error;
  const errors = save.error instanceof ApiProblem ? save.error.fieldErrors : {};
  return (
    <Modal
      opened
      onClose={onClose}
      title={team ? t("team.edit", { team: team.teamId }) : t("team.new")}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <Stack>
          {team === null && (
            <TextInput
              label={t("team.id")}
              description={t("team.idHint")}
              required
              data-autofocus
              value={form.teamId}
              error={errors.teamId}
              onChange={(event) => change({ teamId: event.currentTarget.value })}
            />
          )}
          <TextInput
            label={t("team.name")}
            required
            value={form.name}
            error={errors.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
          />
          <NumberInput
            label={t("team.limit")}
            description={t("team.limitHint")}
            min={0}
            decimalScale={3}
            value={form.gpuLimitMilli == null ? "" : form.gpuLimitMilli / 1000}
            error={errors.gpuLimitMilli}
            onChange={(value) =>
              change({ gpuLimitMilli: value === "" ? null : Math.round(Number(value) * 1000) })
            }
          />
          <TagsInput
            label={t("team.namespaces")}
            description={t("team.namespacesHint")}
            value={form.namespaces ?? []}
            error={errors.namespaces}
            onChange={(namespaces) => change({ namespaces })}
          />
          {failure && <Failed error={failure} />}
          {isSure && <Text size="sm">{t("team.removeHint")}</Text>}
          <Group justify="flex-end">
            {team && (
              <Button
                color="red"
                variant={isSure ? "filled" : "outline"}
                mr="auto"
                loading={remove.isPending}
                onClick={() => (isSure ? remove.mutate() : setSure(true))}
              >
                {isSure ? t("team.removeSure") : t("app:action.delete")}
              </Button>
            )}
            <Button variant="default" onClick={onClose}>
              {t("app:action.cancel")}
            </Button>
            <Button type="submit" loading={save.isPending} disabled={!form.teamId || !form.name}>
              {t("app:action.save")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
