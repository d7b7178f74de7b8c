import { queryOptions } from "@tanstack/react-query";
import { api, listed, type Schemas } from "../../api/client";

export type Suggestion = Schemas["Suggestion"];
export type IdleHold = Schemas["IdleHold"];
type Status = Schemas["Suggestion"]["status"];

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
