import { Button, Divider, Group, Modal, Select, Stack, Switch, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { Tagged } from "../../api/client";
import { ApiProblem } from "../../api/problem";
import { Async, Failed } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { type Channel, type ChannelKind, channelQuery } from "./api";
import { ChannelAddress } from "./ChannelAddress";
import { ChannelRoute } from "./ChannelRoute";
import { formOf, missing } from "./channelForm";
import { useChannelChanges } from "./useChannelChanges";

const KINDS = ["slack", "teams", "pagerduty", "mail", "webhook"] as const;

interface ChannelDialogProps {
  /** The one to change; null adds one. */
  channel: Channel | null;
  onClose: () => void;
}

/** Add a channel, change what it is told, or take it away. */
export function ChannelDialog({ channel, onClose }: ChannelDialogProps) {
  const { t } = useTranslation("alerts");
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={channel ? t("channel.edit", { name: channel.name }) : t("channel.new")}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      {channel ? (
        <Edit channelId={channel.id} onClose={onClose} />
      ) : (
        <Fields read={null} onClose={onClose} />
      )}
    </Modal>
  );
}

/** Read anew before it is changed: the list may be old, and the edition guards what is saved. */
function Edit({ channelId, onClose }: { channelId: number; onClose: () => void }) {
  const read = useQuery(channelQuery(channelId));
  return (
    <Async query={read} rows={8}>
      {(found) => <Fields read={found} onClose={onClose} />}
    </Async>
  );
}

interface FieldsProps {
  read: Tagged<Channel> | null;
  onClose: () => void;
}

function Fields({ read, onClose }: FieldsProps) {
  const { t } = useTranslation("alerts");
  const format = useFormat();
  const channel = read?.value ?? null;
  const [form, setForm] = useState(() => formOf(channel, format.facts.timeZone));
  const change = (some: Partial<typeof form>) => setForm((old) => ({ ...old, ...some }));
  const { save, remove } = useChannelChanges(read, onClose);
  const [isSure, setSure] = useState(false);
  const failure = save.error ?? remove.error;
  const errors = failure instanceof ApiProblem ? failure.fieldErrors : {};
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        save.mutate(form);
      }}
    >
      <Stack>
        {channel === null && (
          <Group grow align="flex-start">
            <Select
              label={t("channel.kind")}
              allowDeselect={false}
              data={KINDS.map((value) => ({ value, label: t(`channel.kinds.${value}`) }))}
              value={form.kind}
              onChange={(kind) => change({ kind: kind as ChannelKind })}
            />
            <TextInput
              label={t("channel.name")}
              required
              maxLength={100}
              data-autofocus
              value={form.name}
              error={errors.name}
              onChange={(event) => change({ name: event.currentTarget.value })}
            />
          </Group>
        )}
        <ChannelAddress form={form} change={change} errors={errors} channel={channel} />
        <Divider label={t("channel.route")} labelPosition="left" />
        <ChannelRoute form={form} change={change} errors={errors} />
        <TextInput
          label={t("channel.note")}
          maxLength={400}
          value={form.note}
          error={errors.note}
          onChange={(event) => change({ note: event.currentTarget.value })}
        />
        <Switch
          label={t("channel.enabled")}
          description={t("channel.enabledHint")}
          checked={form.enabled}
          onChange={(event) => change({ enabled: event.currentTarget.checked })}
        />
        {failure && <Failed error={failure} />}
        <Group justify="space-between">
          {channel ? (
            <Button
              color="red"
              variant={isSure ? "filled" : "outline"}
              loading={remove.isPending}
              onClick={() => (isSure ? remove.mutate() : setSure(true))}
            >
              {isSure ? t("channel.removeSure") : t("app:action.delete")}
            </Button>
          ) : (
            <span />
          )}
          <Group>
            <Button variant="default" onClick={onClose}>
              {t("app:action.cancel")}
            </Button>
            <Button
              type="submit"
              loading={save.isPending}
              disabled={missing(form, channel) !== null}
            >
              {t("app:action.save")}
            </Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}
