import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { api, got, listed, rememberApiLanguage, rememberCsrfToken } from "./client";
import { ApiProblem, Offline } from "./problem";

const answers: (() => Promise<Response>)[] = [];
const asked: Request[] = [];

beforeEach(() => {
  asked.length = 0;
  vi.stubGlobal("fetch", (request: Request) => {
    asked.push(request);
    return (answers.shift() ?? (() => Promise.reject(new TypeError("no network"))))();
  });
});
afterEach(() => void vi.unstubAllGlobals());

const json =
  (body: unknown, init: ResponseInit = {}) =>
  () =>
    Promise.resolve(new Response(JSON.stringify(body), init));

describe("the client", () => {
  it("asks for bare bodies in the language in force, and proves its page on changes only", async () => {
    rememberCsrfToken("token");
    rememberApiLanguage("ko");
    answers.push(json({ name: "me" }), json({}));
    await got(api.GET("/api/v1/auth/me"));
    await got(api.POST("/api/v1/session", { body: { key: "k" } }));
    expect(asked[0]?.headers.get("X-GPU-Envelope")).toBe("false");
    expect(asked[0]?.headers.get("Accept-Language")).toBe("ko");
    expect(asked[0]?.headers.get("X-CSRF-Token")).toBeNull();
    expect(asked[1]?.headers.get("X-CSRF-Token")).toBe("token");
  });

  it("tells how long a list is and how it goes on", async () => {
    const headers = { "X-Total-Count": "40", "X-Next-Cursor": "abc" };
    answers.push(json([{ nodeName: "n1" }], { headers }));
    const page = await listed(api.GET("/api/v1/gpu/nodes"));
    expect(page.total).toBe(40);
    expect(page.nextCursor).toBe("abc");
    expect(page.rows[0]?.nodeName).toBe("n1");
  });

  it("throws the problem that the server tells", async () => {
    const body = {
      status: 409,
      code: "GPU_NOT_AVAILABLE",
      title: "No",
      detail: "needs 80 GB",
      errors: [{ field: "requiredMemoryGb", message: "too much" }],
    };
    answers.push(json(body, { status: 409, headers: { "Retry-After": "7" } }));
    const failed = await got(api.GET("/api/v1/gpu/overview")).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(ApiProblem);
    const problem = failed as ApiProblem;
    expect([problem.code, problem.message, problem.retryAfterSeconds]).toEqual([
      "GPU_NOT_AVAILABLE",
      "needs 80 GB",
      7,
    ]);
    expect(problem.fieldErrors).toEqual({ requiredMemoryGb: "too much" });
  });

  it("says so when nobody answers, or not in our words", async () => {
    await expect(got(api.GET("/api/v1/gpu/overview"))).rejects.toBeInstanceOf(Offline);
    answers.push(() =>
      Promise.resolve(new Response("<html>", { status: 502, statusText: "Bad Gateway" })),
    );
    await expect(got(api.GET("/api/v1/gpu/overview"))).rejects.toMatchObject({ status: 502 });
  });
});
