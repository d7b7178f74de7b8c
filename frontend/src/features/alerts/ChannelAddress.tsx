import {
  ActionIcon,
  Button,
  Group,
  Input,
  PasswordInput,
  Select,
  TagsInput,
  TextInput,
} from "@mantine/core";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../../ui/Icon";
import type { Channel } from "./api";
import { type ChannelForm, type HeaderLine, hasUrl } from "./channelForm";

const FORMATS = ["auto", "generic", "slack", "teams", "messagecard", "adaptivecard", "pagerduty"];

export interface PartProps {
  form: ChannelForm;
  change: (some: Partial<ChannelForm>) => void;
  errors: Record<string, string>;
}

interface AddressProps extends PartProps {
  /** The one that is changed: which of its secrets are set. */
  channel: Channel | null;
}

/** Where messages go; what is secret is written here and never shown. */
export function ChannelAddress({ form, change, errors, channel }: AddressProps) {
  const { t } = useTranslation("alerts");
  const set = (name: string) => channel?.secrets.includes(name) ?? false;
  const losesSecrets = channel !== null && form.url !== "" && channel.secrets.length > 1;
  return (
    <>
      {hasUrl(form.kind) && (
        <Secret
          label={t(`channel.url.${form.kind as "slack" | "teams" | "webhook"}`)}
          hint={losesSecrets ? t("channel.urlMoves") : t("channel.urlHint")}
          isSet={set("url")}
          where={channel?.host}
          value={form.url}
          error={errors.url}
          onChange={(url) => change({ url })}
        />
      )}
      {form.kind === "pagerduty" && (
        <Secret
          label={t("channel.routingKey")}
          hint={t("channel.routingKeyHint")}
          isSet={set("routingKey")}
          value={form.routingKey}
          error={errors.routingKey}
          onChange={(routingKey) => change({ routingKey })}
        />
      )}
      {form.kind === "mail" && (
        <TagsInput
          label={t("channel.recipients")}
          description={t("channel.recipientsHint")}
          required
          value={form.recipients}
          error={errors.recipients}
          onChange={(recipients) => change({ recipients })}
        />
      )}
      {form.kind === "webhook" && (
        <>
          <Secret
            label={t("channel.signing")}
            hint={t("channel.signingHint")}
            isSet={set("signingSecret")}
            isOptional
            value={form.signingSecret}
            error={errors.signingSecret}
            onChange={(signingSecret) => change({ signingSecret })}
          />
          <Headers channel={channel} form={form} change={change} errors={errors} />
          <Select
            label={t("channel.format")}
            allowDeselect={false}
            data={FORMATS.map((value) => ({
              value,
              label: t(`channel.formats.${value}`, { defaultValue: value }),
            }))}
            value={form.format}
            onChange={(format) => change({ format: format ?? "auto" })}
          />
        </>
      )}
    </>
  );
}

interface SecretProps {
  label: string;
  hint: string;
  /** Kept by the server already: an empty field leaves it as it is. */
  isSet: boolean;
  where?: string | null;
  isOptional?: boolean;
  value: string;
  error?: string;
  onChange: (value: string) => void;
}

function Secret({ label, hint, isSet, where, isOptional, value, error, onChange }: SecretProps) {
  const { t } = useTranslation("alerts");
  const kept = where ? t("channel.secretSetAt", { host: where }) : t("channel.secretSet");
  return (
    <PasswordInput
      label={label}
      description={hint}
      required={!isSet && !isOptional}
      placeholder={isSet ? kept : undefined}
      autoComplete="new-password"
      visibilityToggleButtonProps={{ "aria-label": t("channel.show") }}
      value={value}
      error={error}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}

function Headers({ form, change, errors, channel }: AddressProps) {
  const { t } = useTranslation("alerts");
  const next = useRef(1);
  const kept = (channel?.secrets ?? [])
    .filter((name) => name.startsWith("headers."))
    .map((name) => name.slice("headers.".length));
  const lines = form.headers;
  const put = (headers: HeaderLine[]) => change({ headers });
  const add = () => put([...(lines ?? []), { key: next.current++, name: "", value: "" }]);
  const edit = (key: number, some: Partial<HeaderLine>) =>
    put((lines ?? []).map((line) => (line.key === key ? { ...line, ...some } : line)));
  return (
    <Input.Wrapper
      label={t("channel.headers")}
      labelElement="div"
      description={
        lines === null && kept.length > 0
          ? t("channel.headersSet", { names: kept.join(", ") })
          : t("channel.headersHint")
      }
      error={errors.headers}
    >
      {lines?.map((line) => (
        <Group key={line.key} gap="xs" mt={6} wrap="nowrap">
          <TextInput
            aria-label={t("channel.headerName")}
            placeholder="Authorization"
            flex={2}
            value={line.name}
            onChange={(event) => edit(line.key, { name: event.currentTarget.value })}
          />
          <PasswordInput
            aria-label={t("channel.headerValue")}
            autoComplete="new-password"
            flex={3}
            visibilityToggleButtonProps={{ "aria-label": t("channel.show") }}
            value={line.value}
            onChange={(event) => edit(line.key, { value: event.currentTarget.value })}
          />
          <ActionIcon
            variant="default"
            size="lg"
            aria-label={t("channel.headerRemove", { name: line.name })}
            onClick={() => put(lines.filter((one) => one.key !== line.key))}
          >
            <Icon name="close" />
          </ActionIcon>
        </Group>
      ))}
      <Group mt={6}>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<Icon name="plus" size={14} />}
          onClick={add}
        >
          {lines === null && kept.length > 0 ? t("channel.headersReplace") : t("channel.headerAdd")}
        </Button>
      </Group>
    </Input.Wrapper>
  );
}
