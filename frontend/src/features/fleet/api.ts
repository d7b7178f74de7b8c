import { queryOptions } from "@tanstack/react-query";
import { api, got, listed, type Schemas, tagged } from "../../api/client";

export type Node = Schemas["Node"];
export type Device = Schemas["Device"];
export type DeviceDetail = Schemas["DeviceDetail"];
export type Instance = Schemas["Instance"];
export type Stretch = Schemas["Stretch"];
export type LayoutStretch = Schemas["LayoutStretch"];
export type Metric = Schemas["Metric"];

export const nodesQuery = queryOptions({
  queryKey: ["nodes"],
  queryFn: () => listed(api.GET("/api/v1/gpu/nodes")),
});

export const nodeQuery = (nodeName: string) =>
  queryOptions({
    queryKey: ["nodes", nodeName],
    queryFn: () =>
      tagged(api.GET("/api/v1/gpu/nodes/{nodeName}", { params: { path: { nodeName } } })),
  });

export const devicesQuery = queryOptions({
  queryKey: ["devices"],
  queryFn: () => listed(api.GET("/api/v1/gpu/devices")),
});

export const deviceQuery = (deviceId: string) =>
  queryOptions({
    queryKey: ["devices", deviceId],
    queryFn: () =>
      tagged(api.GET("/api/v1/gpu/devices/{deviceId}", { params: { path: { deviceId } } })),
  });

export const healthQuery = (deviceId: string) =>
  queryOptions({
    queryKey: ["devices", deviceId, "health"],
    queryFn: () =>
      got(api.GET("/api/v1/gpu/devices/{deviceId}/health", { params: { path: { deviceId } } })),
  });

/** The timeline and the buckets of the last `days` days. */
export const ledgerQuery = (deviceId: string, days: number) =>
  queryOptions({
    queryKey: ["devices", deviceId, "ledger", days],
    queryFn: () =>
      got(
        api.GET("/api/v1/gpu/ledger/devices/{deviceId}", {
          params: { path: { deviceId }, query: { days } },
        }),
      ),
  });

export const layoutsQuery = (deviceId: string) =>
  queryOptions({
    queryKey: ["devices", deviceId, "layouts"],
    queryFn: () =>
      listed(
        api.GET("/api/v1/gpu/devices/{deviceId}/mig/history", { params: { path: { deviceId } } }),
      ),
  });

/** One metric of one GPU over the last `hours`, in buckets of `step` seconds. */
export const metricQuery = (deviceId: string, metric: Metric, { hours, step }: Span) =>
  queryOptions({
    queryKey: ["metrics", deviceId, metric, hours],
    refetchInterval: step * 1000,
    queryFn: async (): Promise<MetricRows> => {
      const end = Math.floor(Date.now() / 1000 / step) * step;
      const start = end - hours * 3600;
      const query = { deviceId, metric, step, start: wire(start), end: wire(end) };
      const found = await listed(api.GET("/api/v1/gpu/metrics/query", { params: { query } }));
      return { start, end, step, rows: found.rows };
    },
  });

export interface MetricRows {
  /** Unix seconds of the window, and of a bucket. */
  start: number;
  end: number;
  step: number;
  rows: Schemas["MetricRow"][];
}

export interface Span {
  hours: number;
  step: number;
}

function wire(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  staleTime: Number.POSITIVE_INFINITY,
  queryFn: () => listed(api.GET("/api/v1/gpu/models")),
});
