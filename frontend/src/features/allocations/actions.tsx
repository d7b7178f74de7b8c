import { Button, Checkbox, Group, Modal, NumberInput, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { tell, tellFailure } from "../../ui/toast";
import type { AllocationDetail } from "./api";
import { allocationQuery } from "./api";

interface DialogProps {
  one: AllocationDetail;
  onClose: () => void;
}

/** Give GPUs back; shown as done at once, and put back when the server refuses. */
export function useRelease(one: AllocationDetail) {
  const { t } = useTranslation("allocations");
  const client = useQueryClient();
  const key = allocationQuery(one.allocationId).queryKey;
  return useMutation({
    mutationFn: (evict: boolean) =>
      got(
        api.DELETE("/api/v1/gpu/allocations/{allocationId}", {
          params: { path: { allocationId: one.allocationId }, query: { evict } },
        }),
      ),
    onMutate: async () => {
      await client.cancelQueries({ queryKey: key });
      const before = client.getQueryData(key);
      client.setQueryData(key, { ...one, phase: "Released" as const });
      return { before };
    },
    onSuccess: (ended) =>
      tell(ended.phase === "Released" ? t("release.done") : t("release.underWay"), ended.podName),
    onError: (error, _evict, kept) => {
      client.setQueryData(key, kept?.before ?? one);
      tellFailure(t("release.failed"), error);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["allocations"] }),
  });
}

export function ReleaseDialog({ one, onClose }: DialogProps) {
  const { t } = useTranslation("allocations");
  const [evict, setEvict] = useState(false);
  const release = useRelease(one);
  const send = () => {
    release.mutate(evict);
    onClose();
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("release.title", { pod: one.podName })}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <Stack>
        <Text size="sm">{t("release.hint")}</Text>
        <Checkbox
          label={t("release.evict")}
          description={t("release.evictHint")}
          checked={evict}
          onChange={(event) => setEvict(event.currentTarget.checked)}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t("app:action.cancel")}
          </Button>
          <Button color="red" onClick={send}>
            {t("release.send")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

export function ExtendDialog({ one, onClose }: DialogProps) {
  const { t } = useTranslation("allocations");
  const client = useQueryClient();
  const [hours, setHours] = useState(4);
  const extend = useMutation({
    mutationFn: () =>
      got(
        api.POST("/api/v1/gpu/allocations/{allocationId}/extend", {
          params: { path: { allocationId: one.allocationId } },
          body: { hours },
        }),
      ),
    onSuccess: () => {
      tell(t("extend.done", { hours }), one.podName);
      onClose();
    },
    onError: (error) => tellFailure(t("extend.failed"), error),
    onSettled: () => client.invalidateQueries({ queryKey: ["allocations"] }),
  });
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("extend.title", { pod: one.podName })}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <Stack>
        <NumberInput
          label={t("extend.hours")}
          description={t("extend.hint")}
          min={1}
          max={168}
          value={hours}
          onChange={(value) => setHours(Number(value))}
          data-autofocus
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t("app:action.cancel")}
          </Button>
          <Button loading={extend.isPending} disabled={hours < 1} onClick={() => extend.mutate()}>
            {t("extend.send")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
