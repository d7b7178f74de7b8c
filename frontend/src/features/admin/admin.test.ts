import { describe, expect, it } from "vitest";
import { changeOf } from "./AuditPage";
import { stateOf } from "./KeysPage";

describe("an entry of the audit log", () => {
  it("tells only what differs", () => {
    const entry = { before: { name: "a", limit: 1 }, after: { name: "a", limit: 2, extra: null } };
    expect(changeOf(entry)).toBe("limit: 1 → 2, extra: null");
    expect(changeOf({ before: null, after: { phase: "Released" } })).toBe('phase: "Released"');
    expect(changeOf({ before: null, after: null })).toBe("");
  });
});

describe("a key", () => {
  const now = Date.parse("2026-03-02T12:00:00Z");

  it("is over when it was revoked or has expired", () => {
    expect(stateOf({ revokedAt: null, expiresAt: null }, now)).toBe("valid");
    expect(stateOf({ revokedAt: null, expiresAt: "2026-03-02T12:00:00Z" }, now)).toBe("expired");
    expect(stateOf({ revokedAt: "2026-03-01T00:00:00Z", expiresAt: null }, now)).toBe("revoked");
  });
});
