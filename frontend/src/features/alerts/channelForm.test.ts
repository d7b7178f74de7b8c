import { describe, expect, it } from "vitest";
import type { Channel } from "./api";
import { changeOf, creationOf, formOf, missing } from "./channelForm";

const CHANNEL: Channel = {
  id: 7,
  name: "ops",
  kind: "webhook",
  origin: "api",
  enabled: true,
  events: ["alert.*"],
  minSeverity: "error",
  teams: ["vision"],
  labels: { cluster: "a=b" },
  host: "hooks.example.com",
  secrets: ["url", "signingSecret", "headers.Authorization"],
  recipients: [],
  format: "auto",
  quietHours: { from: "22:00:00", until: "07:00:00", timezone: "Asia/Seoul" },
  maxPerMinute: 20,
  note: null,
  waiting: 0,
  dead: 0,
  failingSince: null,
  lastSentAt: null,
  createdAt: "2026-03-02T12:00:00Z",
  createdBy: "admin",
};

describe("the form of a channel", () => {
  it("sends back what it was given, and of secrets nothing", () => {
    const change = changeOf(formOf(CHANNEL, "UTC"));
    expect(change).toMatchObject({
      events: ["alert.*"],
      minSeverity: "error",
      teams: ["vision"],
      labels: { cluster: "a=b" },
      quietHours: { from: "22:00", until: "07:00", timezone: "Asia/Seoul" },
      maxPerMinute: 20,
      note: null,
    });
    expect(change.url).toBeUndefined();
    expect(change.signingSecret).toBeUndefined();
    expect(change.headers).toBeUndefined();
  });

  it("replaces all headers once they are written anew", () => {
    const headers = [
      { key: 1, name: " X-Token ", value: "t" },
      { key: 2, name: "", value: "" },
    ];
    expect(changeOf({ ...formOf(CHANNEL, "UTC"), headers }).headers).toEqual({ "X-Token": "t" });
    expect(changeOf({ ...formOf(CHANNEL, "UTC"), headers: [] }).headers).toEqual({});
  });

  it("tells only what the kind takes", () => {
    const form = { ...formOf(null, "UTC"), name: "duty", url: "https://x", routingKey: "k" };
    const body = creationOf({ ...form, kind: "pagerduty", recipients: ["a@b.c"] });
    expect(body).toMatchObject({ name: "duty", kind: "pagerduty", routingKey: "k" });
    expect(body.url).toBeUndefined();
    expect(body.recipients).toEqual([]);
  });

  it("knows what is still missing; a secret that is set need not be written again", () => {
    const fresh = formOf(null, "UTC");
    expect(missing(fresh, null)).toBe("name");
    expect(missing({ ...fresh, name: "a" }, null)).toBe("url");
    expect(missing({ ...fresh, name: "a", kind: "pagerduty" }, null)).toBe("routingKey");
    expect(missing({ ...fresh, name: "a", kind: "mail" }, null)).toBe("recipients");
    expect(missing(formOf(CHANNEL, "UTC"), CHANNEL)).toBeNull();
    expect(missing({ ...formOf(CHANNEL, "UTC"), labels: ["team"] }, CHANNEL)).toBe("labels");
  });
});
