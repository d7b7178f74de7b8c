import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, listed, type Schemas } from "../../api/client";

export type Alert = Schemas["Alert"];
export type AlertRule = Schemas["AlertRule"];
export type AlertStatus = Schemas["AlertStatus"];
export type Silence = Schemas["Silence"];
export type Channel = Schemas["Channel"];

/** Alerts, the newest first; without a status, those that are open. */
export function alertsQuery(statuses: AlertStatus[]) {
  return infiniteQueryOptions({
    queryKey: ["alerts", "list", statuses],
    queryFn: ({ pageParam }) =>
      listed(
        api.GET("/api/v1/gpu/alerts", {
          params: {
            query: {
              status: statuses.join(",") || undefined,
              limit: 100,
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

export const rulesQuery = queryOptions({
  queryKey: ["alerts", "rules"],
  queryFn: () => listed(api.GET("/api/v1/gpu/alerts/rules")),
});

export const silencesQuery = queryOptions({
  queryKey: ["alerts", "silences"],
  queryFn: () =>
    listed(api.GET("/api/v1/gpu/alerts/silences", { params: { query: { over: false } } })),
});

export const channelsQuery = queryOptions({
  queryKey: ["notifications", "channels"],
  queryFn: () => listed(api.GET("/api/v1/gpu/notifications/channels")),
});
