import { Alert, Button, Code, Group, Loader, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { Icon } from "../../ui/Icon";
import { Failed } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type Channel, type Delivery, deliveryQuery, isUnderWay } from "./api";

const PATIENCE_MS = 20_000;

/** Send a test message, and say what became of it. */
export function TestDialog({ channel, onClose }: { channel: Channel; onClose: () => void }) {
  const { t } = useTranslation("alerts");
  const client = useQueryClient();
  const test = useMutation({
    mutationFn: () =>
      got(
        api.POST("/api/v1/gpu/notifications/channels/{channelId}/test", {
          params: { path: { channelId: channel.id } },
        }),
      ),
    onSettled: () => client.invalidateQueries({ queryKey: ["notifications", "channels"] }),
  });
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("test.title", { name: channel.name })}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <Stack>
        <Text size="sm">
          {t("test.lead", {
            where: channel.host ?? (channel.recipients.join(", ") || channel.kind),
          })}
        </Text>
        {!channel.enabled && <Text size="sm">{t("test.off")}</Text>}
        {test.data && <Outcome key={test.data.id} sent={test.data} channel={channel} />}
        {test.error && <Failed error={test.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {t("app:action.close")}
          </Button>
          <Button
            loading={test.isPending}
            disabled={!channel.enabled}
            onClick={() => test.mutate()}
          >
            {test.data ? t("test.again") : t("channel.test")}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Outcome({ sent, channel }: { sent: Delivery; channel: Channel }) {
  const { t } = useTranslation("alerts");
  const format = useFormat();
  const client = useQueryClient();
  const asked = useQuery(deliveryQuery(sent));
  const delivery = asked.data;
  const isOpen = isUnderWay(delivery);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the list follows from how this goes on
  useEffect(() => {
    void client.invalidateQueries({ queryKey: ["notifications", "channels"] });
    void client.invalidateQueries({ queryKey: ["notifications", "deliveries"] });
  }, [client, delivery.state]);
  if (isOpen) return <Waiting />;
  const arrived = delivery.state === "sent" || delivery.state === "digested";
  const where = channel.host ?? (channel.recipients.join(", ") || channel.kind);
  if (arrived) {
    return (
      <Group role="status" wrap="nowrap" align="flex-start">
        <Icon name="check" size={22} />
        <div>
          <Text fw={600}>{t("test.arrived")}</Text>
          <Text size="sm">
            {t("test.arrivedAt", { where, time: format.time(delivery.sentAt) })}
          </Text>
        </div>
      </Group>
    );
  }
  return (
    <Alert role="alert" color="red" icon={<Icon name="error" />} title={t("channel.testFailed")}>
      <Stack gap="xs">
        <Text size="sm">
          {t("test.failedAt", { where, attempts: format.number(delivery.attempts) })}{" "}
          {delivery.state === "dead"
            ? t("test.givenUp")
            : t("test.triedAgain", { time: format.time(delivery.dueAt) })}
        </Text>
        <Code block style={{ whiteSpace: "pre-wrap" }}>
          {delivery.error}
        </Code>
      </Stack>
    </Alert>
  );
}

function Waiting() {
  const { t } = useTranslation("alerts");
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), PATIENCE_MS);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <Group gap="sm" role="status" wrap="nowrap">
      <Loader size="sm" />
      <Text size="sm">{isLate ? t("test.late") : t("test.waiting")}</Text>
    </Group>
  );
}
