import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, got, listed, type Schemas } from "../../api/client";

export type Allocation = Schemas["gpu_management__allocations__schemas__Allocation"];
export type AllocationDetail = Schemas["AllocationDetail"];
export type AllocationCreate = Schemas["AllocationCreate"];
export type Preview = Schemas["Preview"];
export type Phase = Schemas["Phase"];

export interface Asked {
  phases: Phase[];
  teamId?: string;
  userId?: string;
  namespace?: string;
  search?: string;
  sort?: string;
}

const PAGE_ROWS = 100;

/** Allocations page by page; filtered and sorted by the server. */
export function allocationsQuery(asked: Asked) {
  return infiniteQueryOptions({
    queryKey: ["allocations", "list", asked],
    queryFn: ({ pageParam }) =>
      listed(
        api.GET("/api/v1/gpu/allocations", {
          params: {
            query: {
              phase: asked.phases.length > 0 ? asked.phases : undefined,
              teamId: asked.teamId,
              userId: asked.userId,
              namespace: asked.namespace || undefined,
              search: asked.search || undefined,
              sort: asked.sort || undefined,
              limit: PAGE_ROWS,
              cursor: pageParam || undefined,
            },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });
}

/** Requests that wait, the first in line first. */
export const waitingQuery = queryOptions({
  queryKey: ["allocations", "waiting"],
  queryFn: () =>
    listed(
      api.GET("/api/v1/gpu/allocations", {
        params: { query: { phase: ["Pending"], sort: "-priority", limit: 50 } },
      }),
    ),
});

export function allocationQuery(allocationId: string) {
  return queryOptions({
    queryKey: ["allocations", "one", allocationId],
    queryFn: () =>
      got(
        api.GET("/api/v1/gpu/allocations/{allocationId}", {
          params: { path: { allocationId } },
        }),
      ),
  });
}

export function costQuery(allocationId: string) {
  return queryOptions({
    queryKey: ["allocations", "cost", allocationId],
    queryFn: () =>
      got(
        api.GET("/api/v1/gpu/allocations/{allocationId}/cost", {
          params: { path: { allocationId } },
        }),
      ),
    refetchInterval: 30_000,
  });
}

export function eventsQuery(allocationId: string) {
  return queryOptions({
    queryKey: ["allocations", "events", allocationId],
    queryFn: () =>
      listed(
        api.GET("/api/v1/gpu/events/history", {
          params: { query: { subjectKind: "allocation", subjectId: allocationId, limit: 100 } },
        }),
      ),
  });
}

/** How much the GPUs of an allocation did, over its life (a day at most). */
export function usageQuery(one: AllocationDetail) {
  const until = one.releasedAt ? new Date(one.releasedAt) : new Date();
  const asked = new Date(one.allocatedAt ?? one.requestedAt).getTime();
  const start = new Date(Math.max(asked, until.getTime() - 86_400_000));
  const span = (until.getTime() - start.getTime()) / 1000;
  const step = Math.max(60, Math.ceil(span / 240 / 60) * 60);
  return queryOptions({
    queryKey: ["allocations", "usage", one.allocationId, one.releasedAt],
    queryFn: () =>
      listed(
        api.GET("/api/v1/gpu/metrics/query", {
          params: {
            query: {
              allocationId: one.allocationId,
              group: "device",
              metric: "utilizationPct",
              start: start.toISOString(),
              end: until.toISOString(),
              step,
            },
          },
        }),
      ),
    enabled: span > 60,
    refetchInterval: one.releasedAt ? false : 60_000,
  });
}

/** Whether a request would fit now; refusals are answers, mistakes of the form are errors. */
export function previewQuery(body: AllocationCreate | null) {
  return queryOptions({
    queryKey: ["allocations", "preview", body],
    queryFn: () =>
      got(api.POST("/api/v1/gpu/allocations/simulate", { body: body as AllocationCreate })),
    enabled: body !== null,
    placeholderData: keepPreviousData,
    retry: false,
  });
}

/** Models to choose from. */
export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: () => listed(api.GET("/api/v1/gpu/models", { params: { query: { limit: 500 } } })),
  staleTime: 600_000,
});
