import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, got, listed, type Schemas } from "../../api/client";

export type ApiKey = Schemas["ApiKey"];
export type IssuedApiKey = Schemas["IssuedApiKey"];
export type ApiKeyCreate = Schemas["ApiKeyCreate"];
export type Team = Schemas["Team"];
export type TeamCreate = Schemas["TeamCreate"];
export type AuditEntry = Schemas["AuditEntry"];
export type DeviceVerdict = Schemas["DeviceVerdict"];
export type Setting = Schemas["Setting"];

export const keysQuery = queryOptions({
  queryKey: ["admin", "keys"],
  queryFn: () => listed(api.GET("/api/v1/admin/api-keys", { params: { query: { limit: 500 } } })),
});

export const teamsQuery = queryOptions({
  queryKey: ["admin", "teams"],
  queryFn: () => listed(api.GET("/api/v1/admin/teams", { params: { query: { limit: 1000 } } })),
});

export interface AuditAsked {
  principal?: string;
  action?: string;
  targetId?: string;
}

export function auditQuery(asked: AuditAsked) {
  const query = {
    principal: asked.principal || undefined,
    action: asked.action || undefined,
    targetId: asked.targetId || undefined,
    limit: 100,
  };
  return infiniteQueryOptions({
    queryKey: ["admin", "audit", query],
    queryFn: ({ pageParam }) =>
      listed(
        api.GET("/api/v1/admin/audit", {
          params: { query: { ...query, cursor: pageParam || undefined } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

export const settingsQuery = queryOptions({
  queryKey: ["admin", "settings"],
  queryFn: () => listed(api.GET("/api/v1/admin/settings")),
});

/** How fresh each source is. */
export const sourcesQuery = queryOptions({
  queryKey: ["admin", "sources"],
  queryFn: async () => {
    const screen = await got(
      api.GET("/api/v1/gpu/overview/screen", { params: { query: { days: 1 } } }),
    );
    return screen.sources;
  },
  refetchInterval: 30_000,
});

/** GPUs, and what speaks against them. */
export const verdictsQuery = queryOptions({
  queryKey: ["metrics", "health"],
  queryFn: () => listed(api.GET("/api/v1/gpu/metrics/health")),
  refetchInterval: 60_000,
});
