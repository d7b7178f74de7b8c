import { Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, type Tagged } from "../../api/client";
import { Icon, type IconName } from "../../ui/Icon";
import { useMay } from "../../ui/session";
import { tell, tellFailure } from "../../ui/toast";
import { type DeviceDetail, deviceQuery } from "./api";

type Kind = "start" | "end" | "fail" | "migOn" | "migOff";

const ICONS: Record<Kind, IconName> = {
  start: "wrench",
  end: "check",
  fail: "error",
  migOn: "slices",
  migOff: "slices",
};

/** What may be done to this GPU as it is now. */
function offered(device: DeviceDetail, may: { write: boolean; mig: boolean }): Kind[] {
  const kinds: Kind[] = [];
  if (may.write && device.state === "READY") kinds.push("start", "fail");
  if (may.write && device.state === "MAINTENANCE") kinds.push("end");
  if (may.mig && device.migSupported && device.state === "READY") {
    kinds.push(device.migEnabled ? "migOff" : "migOn");
  }
  return kinds;
}

/** Buttons for maintenance, reporting a failure, and MIG mode; each asks before it acts. */
export function DeviceActions({ device }: { device: DeviceDetail }) {
  const { t } = useTranslation("fleet");
  const may = { write: useMay("devices.write"), mig: useMay("mig.write") };
  const [asked, setAsked] = useState<Kind | null>(null);
  return (
    <>
      {offered(device, may).map((kind) => (
        <Button
          key={kind}
          size="xs"
          variant="default"
          onClick={() => setAsked(kind)}
          leftSection={<Icon name={ICONS[kind]} size={14} />}
        >
          {t(`act.${kind}`)}
        </Button>
      ))}
      {asked && <Ask device={device} kind={asked} onClose={() => setAsked(null)} />}
    </>
  );
}

function send(deviceId: string, kind: Kind, reason: string) {
  const params = { path: { deviceId } };
  switch (kind) {
    case "start":
      return api.POST("/api/v1/gpu/devices/{deviceId}/maintenance", { params, body: { reason } });
    case "end":
      return api.DELETE("/api/v1/gpu/devices/{deviceId}/maintenance", { params });
    case "fail":
      return api.POST("/api/v1/gpu/devices/{deviceId}/state", {
        params,
        body: { state: "FAILED", reason },
      });
    case "migOn":
      return api.POST("/api/v1/gpu/devices/{deviceId}/mig", { params });
    case "migOff":
      return api.DELETE("/api/v1/gpu/devices/{deviceId}/mig", { params });
  }
}

const AFTER: Partial<Record<Kind, Partial<DeviceDetail>>> = {
  start: { state: "MAINTENANCE", status: "MAINTENANCE" },
  fail: { state: "FAILED", status: "FAILED" },
  migOn: { migEnabled: true },
  migOff: { migEnabled: false },
};

function useAct(device: DeviceDetail, kind: Kind) {
  const { t } = useTranslation("fleet");
  const client = useQueryClient();
  const { queryKey } = deviceQuery(device.deviceId);
  return useMutation({
    mutationFn: (reason: string) => send(device.deviceId, kind, reason),
    onMutate: async () => {
      await client.cancelQueries({ queryKey });
      const before = client.getQueryData<Tagged<DeviceDetail>>(queryKey);
      if (before) {
        client.setQueryData(queryKey, { ...before, value: { ...before.value, ...AFTER[kind] } });
      }
      return before;
    },
    onError: (error, _reason, before) => {
      client.setQueryData(queryKey, before);
      tellFailure(t("act.failed", { gpu: device.deviceId }), error);
    },
    onSuccess: () => tell(t(`act.done.${kind}`, { gpu: device.deviceId })),
    onSettled: () => {
      void client.invalidateQueries({ queryKey: ["devices"] });
      void client.invalidateQueries({ queryKey: ["nodes"] });
    },
  });
}

function Ask({ device, kind, onClose }: { device: DeviceDetail; kind: Kind; onClose: () => void }) {
  const { t } = useTranslation("fleet");
  const act = useAct(device, kind);
  const [reason, setReason] = useState("");
  const needsReason = kind === "start" || kind === "fail";
  const holders = device.allocations.length;
  const confirm = () => {
    act.mutate(reason.trim());
    onClose();
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={t(`act.${kind}`)}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <Stack>
        <Text size="sm">{t(`act.means.${kind}`, { gpu: device.deviceId })}</Text>
        {holders > 0 && (
          <Text size="sm" fw={600}>
            {t("act.holders", { count: holders })}
          </Text>
        )}
        {needsReason && (
          <Textarea
            data-autofocus
            required
            label={t("act.reason")}
            maxLength={200}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
          />
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t("app:action.cancel")}
          </Button>
          <Button
            color={kind === "fail" ? "red" : undefined}
            disabled={needsReason && !reason.trim()}
            onClick={confirm}
          >
            {t("app:action.confirm")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
