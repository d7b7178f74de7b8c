import { queryOptions } from "@tanstack/react-query";
import { api, listed, type Schemas } from "../../api/client";

export type Suggestion = Schemas["Suggestion"];
export type IdleHold = Schemas["IdleHold"];
export type Exemption = Schemas["Exemption"];
export type ExemptScope = Exemption["scope"];
type Status = Schemas["Suggestion"]["status"];

/** Whether nobody has answered it yet. */
export function isOpen(one: Pick<Suggestion, "status">): boolean {
  return one.status === "open" || one.status === "noticed";
}

export function suggestionsQuery(status: Status | null) {
  return queryOptions({
    queryKey: ["suggestions", "list", status],
    queryFn: () =>
      listed(
        api.GET("/api/v1/gpu/suggestions", {
          params: { query: { status: status ?? undefined, limit: 500 } },
        }),
      ),
    refetchInterval: 60_000,
  });
}

/** What is held and idle now, with what was measured. */
export const idleQuery = queryOptions({
  queryKey: ["metrics", "idle"],
  queryFn: () => listed(api.GET("/api/v1/gpu/metrics/idle")),
  refetchInterval: 60_000,
});

export const exemptionsQuery = queryOptions({
  queryKey: ["suggestions", "exemptions"],
  queryFn: () =>
    listed(api.GET("/api/v1/gpu/suggestions/exemptions", { params: { query: { limit: 500 } } })),
});

/** What the keys of the policy's settings begin with. */
export const POLICY = "optimization.idle-";

export interface PolicyLine {
  key: string;
  value: string;
}

/** How the server treats what lies idle; only administrators may read settings. */
export const policyQuery = queryOptions({
  queryKey: ["admin", "settings", "idle"],
  queryFn: async (): Promise<PolicyLine[]> =>
    (await listed(api.GET("/api/v1/admin/settings"))).rows.filter((row) =>
      row.key.startsWith(POLICY),
    ),
});
