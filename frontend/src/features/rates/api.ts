import { queryOptions } from "@tanstack/react-query";
import { api, got, listed, type Schemas } from "../../api/client";

export type Rate = Schemas["Rate"];
export type RateCreate = Schemas["RateCreate"];
export type OwnedCost = Schemas["OwnedCost"];
export type OwnedPrice = Schemas["OwnedPrice"];
export type Unpriced = Schemas["Unpriced"];

export const ratesQuery = queryOptions({
  queryKey: ["rates", "list"],
  queryFn: () => listed(api.GET("/api/v1/gpu/rates", { params: { query: { limit: 1000 } } })),
});

/** GPUs and slices of the fleet whose time nobody pays. */
export const unpricedQuery = queryOptions({
  queryKey: ["rates", "unpriced"],
  queryFn: () => listed(api.GET("/api/v1/gpu/rates/unpriced")),
});

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: () => listed(api.GET("/api/v1/gpu/models", { params: { query: { limit: 500 } } })),
  staleTime: 600_000,
});

/** What an owned GPU must earn an hour. */
export function ownedQuery(body: OwnedCost | null) {
  return queryOptions({
    queryKey: ["rates", "owned", body],
    queryFn: () => got(api.POST("/api/v1/gpu/rates/calculate", { body: body as OwnedCost })),
    enabled: body !== null,
    retry: false,
  });
}

/** The newest rate of the same subject: a change is refused when somebody was faster. */
export function newestOf(
  rates: readonly Rate[],
  wanted: Pick<RateCreate, "modelId" | "kind" | "profileName" | "clusterName" | "nodePool">,
): number {
  const same = rates.filter(
    (rate) =>
      rate.modelId === wanted.modelId &&
      rate.kind === wanted.kind &&
      rate.profileName === (wanted.profileName ?? null) &&
      rate.clusterName === (wanted.clusterName ?? null) &&
      rate.nodePool === (wanted.nodePool ?? null),
  );
  return same.reduce((newest, rate) => Math.max(newest, rate.id), 0);
}
