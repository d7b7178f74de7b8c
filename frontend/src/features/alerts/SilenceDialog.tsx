import { Button, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { AlertWords } from "../../ui/AlertWords";
import { Failed } from "../../ui/states";
import type { Alert } from "./api";
import { useSilence } from "./useSilences";

const HOURS = ["1", "4", "12", "24", "72", "168"] as const;

/** Tell nobody of an alert for a while; it stays in the inbox as silenced. */
export function SilenceDialog({ alert, onClose }: { alert: Alert; onClose: () => void }) {
  const { t } = useTranslation("alerts");
  const [hours, setHours] = useState<string>("4");
  const [comment, setComment] = useState("");
  const labels = Object.entries(alert.labels).filter(
    ([name]) => !["severity", "component"].includes(name),
  );
  const silence = useSilence(alert, onClose);
  const send = () =>
    silence.mutate({
      matchers: labels.map(([name, value]) => ({ name, operator: "=" as const, value })),
      endsAt: new Date(Date.now() + Number(hours) * 3_600_000).toISOString(),
      comment,
    });
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("silence.title")}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <Stack>
          <Text size="sm" component="div">
            <AlertWords name={alert.alertType} part="summary" facts={alert} own={alert.summary} />
          </Text>
          <Text size="xs" c="dimmed" ff="monospace">
            {labels.map(([name, value]) => `${name}=${value}`).join(", ")}
          </Text>
          <Select
            label={t("silence.for")}
            allowDeselect={false}
            data={HOURS.map((value) => ({ value, label: t(`silence.hours.${value}`) }))}
            value={hours}
            onChange={(value) => setHours(value ?? "4")}
          />
          <TextInput
            label={t("silence.comment")}
            required
            data-autofocus
            maxLength={400}
            value={comment}
            onChange={(event) => setComment(event.currentTarget.value)}
          />
          {silence.error && <Failed error={silence.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("app:action.cancel")}
            </Button>
            <Button type="submit" loading={silence.isPending} disabled={!comment.trim()}>
              {t("silence.send")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
