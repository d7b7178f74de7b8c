import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, got, listed, type Schemas } from "../../api/client";

export type NodeResources = Schemas["NodeResources"];
export type PodResources = Schemas["PodResources"];
export type NamespaceResources = Schemas["NamespaceResources"];
export type Summary = Schemas["ResourceUsage"];

export const summaryQuery = queryOptions({
  queryKey: ["resources", "summary"],
  queryFn: () => got(api.GET("/api/v1/resources/summary")),
  refetchInterval: 60_000,
});

export const nodesQuery = queryOptions({
  queryKey: ["resources", "nodes"],
  queryFn: () => listed(api.GET("/api/v1/resources/nodes")),
  refetchInterval: 60_000,
});

/** Pods, of a namespace or a node where one is named. */
export function podsQuery(namespace: string, nodeName: string) {
  return queryOptions({
    queryKey: ["resources", "pods", namespace, nodeName],
    queryFn: () =>
      listed(
        api.GET("/api/v1/resources/pods", {
          params: {
            query: {
              namespace: namespace || undefined,
              nodeName: nodeName || undefined,
              limit: 1000,
            },
          },
        }),
      ),
    placeholderData: keepPreviousData,
    refetchInterval: 60_000,
  });
}
