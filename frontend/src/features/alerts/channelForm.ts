import type { Channel, ChannelCreate, ChannelKind, ChannelUpdate } from "./api";

export interface HeaderLine {
  /** Tells the lines apart while they are edited. */
  key: number;
  name: string;
  value: string;
}

/** What somebody fills in; secrets begin empty, and empty means: as it was. */
export interface ChannelForm {
  name: string;
  kind: ChannelKind;
  enabled: boolean;
  events: string[];
  minSeverity: ChannelUpdate["minSeverity"];
  teams: string[];
  /** Each `name=value`. */
  labels: string[];
  url: string;
  routingKey: string;
  signingSecret: string;
  /** Null: the headers that are set stay. */
  headers: HeaderLine[] | null;
  recipients: string[];
  format: string;
  isQuiet: boolean;
  quietFrom: string;
  quietUntil: string;
  timezone: string;
  maxPerMinute: number | "";
  note: string;
}

const FRESH: Omit<ChannelForm, "timezone"> = {
  name: "",
  kind: "slack",
  enabled: true,
  events: ["alert.*"],
  minSeverity: "warning",
  teams: [],
  labels: [],
  url: "",
  routingKey: "",
  signingSecret: "",
  headers: null,
  recipients: [],
  format: "auto",
  isQuiet: false,
  quietFrom: "22:00",
  quietUntil: "07:00",
  maxPerMinute: "",
  note: "",
};

/** The form of a channel as it is, or of a new one. */
export function formOf(channel: Channel | null, timezone: string): ChannelForm {
  if (channel === null) return { ...FRESH, timezone };
  const quiet = channel.quietHours;
  return {
    ...FRESH,
    name: channel.name,
    kind: channel.kind,
    enabled: channel.enabled,
    events: channel.events,
    minSeverity: channel.minSeverity,
    teams: channel.teams,
    labels: Object.entries(channel.labels).map(([name, value]) => `${name}=${value}`),
    recipients: channel.recipients,
    format: channel.format,
    isQuiet: quiet !== null,
    quietFrom: (quiet?.from ?? FRESH.quietFrom).slice(0, 5),
    quietUntil: (quiet?.until ?? FRESH.quietUntil).slice(0, 5),
    timezone: quiet?.timezone ?? timezone,
    maxPerMinute: channel.maxPerMinute ?? "",
    note: channel.note ?? "",
  };
}

/** Which kinds are told by an address. */
export function hasUrl(kind: ChannelKind): boolean {
  return kind === "slack" || kind === "teams" || kind === "webhook";
}

/** What is still missing before the form can be sent, by field; `channel` is the one it changes. */
export function missing(form: ChannelForm, channel: Channel | null): keyof ChannelForm | null {
  const isSet = (secret: string) => channel?.secrets.includes(secret) ?? false;
  if (!form.name.trim()) return "name";
  if (hasUrl(form.kind) && !form.url.trim() && !isSet("url")) return "url";
  if (form.kind === "pagerduty" && !form.routingKey.trim() && !isSet("routingKey")) {
    return "routingKey";
  }
  if (form.kind === "mail" && form.recipients.length === 0) return "recipients";
  if (form.labels.some((label) => !/^[^=]+=/.test(label))) return "labels";
  return null;
}

/** The change as the API takes it; secrets that were not written are not told, so they stay. */
export function changeOf(form: ChannelForm): ChannelUpdate {
  const secret = (text: string) => text.trim() || undefined;
  const ofKind = hasUrl(form.kind)
    ? { url: secret(form.url) }
    : { routingKey: form.kind === "pagerduty" ? secret(form.routingKey) : undefined };
  const ofWebhook = form.kind === "webhook" && {
    signingSecret: secret(form.signingSecret),
    headers: form.headers ? headersOf(form.headers) : undefined,
  };
  return {
    ...ofKind,
    ...ofWebhook,
    enabled: form.enabled,
    events: form.events,
    minSeverity: form.minSeverity,
    teams: form.teams,
    labels: Object.fromEntries(form.labels.map(halves)),
    recipients: form.kind === "mail" ? form.recipients : [],
    format: form.format,
    quietHours: form.isQuiet
      ? { from: form.quietFrom, until: form.quietUntil, timezone: form.timezone }
      : null,
    maxPerMinute: form.maxPerMinute === "" ? null : form.maxPerMinute,
    note: form.note.trim() || null,
  };
}

/** The new channel as the API takes it. */
export function creationOf(form: ChannelForm): ChannelCreate {
  return { ...changeOf(form), name: form.name.trim(), kind: form.kind };
}

function headersOf(lines: HeaderLine[]): Record<string, string> {
  const told = lines.filter((line) => line.name.trim());
  return Object.fromEntries(told.map((line) => [line.name.trim(), line.value]));
}

function halves(label: string): [string, string] {
  const at = label.indexOf("=");
  return [label.slice(0, at).trim(), label.slice(at + 1).trim()];
}
