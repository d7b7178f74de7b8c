import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, got, listed, type Schemas } from "../../api/client";
import type { operations } from "../../api/schema";
import type { Place } from "./layouts";

export type Screen = Schemas["MigScreen"];
export type ScreenDevice = Schemas["ScreenDevice"];
export type Demand = Schemas["ProfileDemand"];
export type Plan = Schemas["Plan"];
export type PlanAsk = Schemas["PlanAsk"];
export type PlanCreate = Schemas["PlanCreate"];
export type PlanDevice = Schemas["PlanDevice"];
export type PlanRun = Schemas["PlanRun"];
export type PlanRunDetail = Schemas["PlanRunDetail"];
export type PlanStep = Schemas["PlanStep"];

export const screenQuery = queryOptions({
  queryKey: ["mig", "screen"],
  queryFn: () => got(api.GET("/api/v1/gpu/mig/screen")),
});

export interface Asked {
  search?: string;
  sort?: string;
  modelId?: string;
  state?: string;
  largestProfile?: string;
}

const PAGE_ROWS = 100;

/** GPUs in MIG mode page by page; filtered and sorted by the server. */
export const devicesQuery = (asked: Asked) =>
  infiniteQueryOptions({
    queryKey: ["mig", "devices", asked],
    queryFn: ({ pageParam }) => {
      const page = { limit: PAGE_ROWS, cursor: pageParam || undefined };
      const query = { ...told(asked), ...page } as Ask;
      return listed(api.GET("/api/v1/gpu/mig/devices", { params: { query } }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
  });

/** These GPUs, as far as they are in MIG mode. */
export const someDevicesQuery = (deviceIds: string[]) =>
  queryOptions({
    queryKey: ["mig", "devices", "some", deviceIds],
    enabled: deviceIds.length > 0,
    placeholderData: keepPreviousData,
    queryFn: () =>
      listed(api.GET("/api/v1/gpu/mig/devices", { params: { query: { deviceId: deviceIds } } })),
  });

/** Some GPUs with their holders: what a form offers to those who type. */
export const examplesQuery = queryOptions({
  queryKey: ["mig", "devices", "examples"],
  staleTime: 60_000,
  queryFn: () => listed(api.GET("/api/v1/gpu/mig/devices", { params: { query: { limit: 200 } } })),
});

type Ask = NonNullable<operations["listMigDevices"]["parameters"]["query"]>;

function told(asked: Asked): Asked {
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value));
}

/** The layouts of a model to which nothing can be added, every kind of profile included. */
export const layoutsQuery = (modelId: string) =>
  queryOptions({
    queryKey: ["models", modelId, "layouts"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async (): Promise<Place[][]> => {
      const params = { path: { modelId }, query: { variants: "all" as const } };
      const found = await listed(api.GET("/api/v1/gpu/models/{modelId}/mig/layouts", { params }));
      return found.rows.map((one) => one.placements as unknown as Place[]);
    },
  });

/** Give a GPU a layout, or only say what that would change. */
export function applyLayout(deviceId: string, placements: Place[], dryRun: boolean) {
  return got(
    api.PUT("/api/v1/gpu/devices/{deviceId}/mig/layout", {
      params: { path: { deviceId } },
      body: { placements: placements.map((one) => ({ ...one })), dryRun },
    }),
  );
}

/** What a layout would change; a refusal is an answer, not something to try again. */
export const changeQuery = (deviceId: string, placements: Place[]) =>
  queryOptions({
    queryKey: ["mig", "change", deviceId, placements],
    retry: false,
    queryFn: () => applyLayout(deviceId, placements, true),
  });

/** A plan for this; searching takes seconds and changes nothing. */
export const previewQuery = (body: PlanAsk | null) =>
  queryOptions({
    queryKey: ["mig", "preview", body],
    enabled: body !== null,
    retry: false,
    staleTime: 60_000,
    queryFn: () => got(api.POST("/api/v1/gpu/mig/plan", { body: body as PlanAsk })),
  });

export const plansQuery = queryOptions({
  queryKey: ["mig", "plans"],
  queryFn: () => listed(api.GET("/api/v1/gpu/mig/plans", { params: { query: { limit: 200 } } })),
});

const MOVING = new Set(["APPROVED", "RUNNING"]);

/** A kept plan; while it is carried out it is read again, in case an event is missed. */
export const planQuery = (planId: string) =>
  queryOptions({
    queryKey: ["mig", "plans", planId],
    refetchInterval: (query) => {
      const state = (query.state.data as PlanRunDetail | undefined)?.state;
      return state && MOVING.has(state) ? 5000 : false;
    },
    queryFn: () => got(api.GET("/api/v1/gpu/mig/plans/{planId}", { params: { path: { planId } } })),
  });
