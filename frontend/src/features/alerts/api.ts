import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, got, listed, type Schemas, tagged } from "../../api/client";

export type Alert = Schemas["Alert"];
export type AlertRule = Schemas["AlertRule"];
export type AlertStatus = Schemas["AlertStatus"];
export type Silence = Schemas["Silence"];
export type SilenceCreate = Schemas["SilenceCreate"];
export type Channel = Schemas["Channel"];
export type ChannelKind = Schemas["ChannelKind"];
export type ChannelCreate = Schemas["ChannelCreate"];
export type ChannelUpdate = Schemas["ChannelUpdate"];
export type Delivery = Schemas["Delivery"];
export type DeliveryState = Schemas["DeliveryState"];

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

/** One channel with its edition, as it is when somebody begins to change it. */
export function channelQuery(channelId: number) {
  return queryOptions({
    queryKey: ["notifications", "channel", channelId],
    queryFn: () =>
      tagged(
        api.GET("/api/v1/gpu/notifications/channels/{channelId}", {
          params: { path: { channelId } },
        }),
      ),
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** Messages, the newest first, of one state and one channel where they are named. */
export function deliveriesQuery(state: DeliveryState | null, channelId: number | null) {
  return infiniteQueryOptions({
    queryKey: ["notifications", "deliveries", state, channelId],
    queryFn: ({ pageParam }) =>
      listed(
        api.GET("/api/v1/gpu/notifications/deliveries", {
          params: {
            query: {
              state: state ?? undefined,
              channelId: channelId ?? undefined,
              limit: 100,
              cursor: pageParam || undefined,
            },
          },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    placeholderData: keepPreviousData,
    refetchInterval: 15_000,
  });
}

/** One message, asked for again until it has arrived or was given up. */
export function deliveryQuery(delivery: Delivery) {
  return queryOptions({
    queryKey: ["notifications", "delivery", delivery.id],
    queryFn: () =>
      got(
        api.GET("/api/v1/gpu/notifications/deliveries/{deliveryId}", {
          params: { path: { deliveryId: delivery.id } },
        }),
      ),
    initialData: delivery,
    initialDataUpdatedAt: 0,
    refetchInterval: (query) => {
      const found = query.state.data ?? delivery;
      if (isUnderWay(found)) return 700;
      return found.state === "waiting" ? 2000 : false; // it failed once, and is tried again
    },
  });
}

/** Whether nothing is known yet of how a message fared. */
export function isUnderWay(delivery: Pick<Delivery, "state" | "error">): boolean {
  return delivery.state === "waiting" && delivery.error === null;
}

/** Names of teams, for those who may list them; nothing for others. */
export const teamNamesQuery = queryOptions({
  queryKey: ["admin", "teams", "names"],
  queryFn: async () => {
    const params = { query: { limit: 1000 } };
    return (await listed(api.GET("/api/v1/admin/teams", { params }))).rows.map((row) => row.teamId);
  },
});
