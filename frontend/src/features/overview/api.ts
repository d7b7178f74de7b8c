import { queryOptions } from "@tanstack/react-query";
import { api, got, type Schemas } from "../../api/client";

export type Screen = Schemas["FirstScreen"];

/** Everything the first screen shows, in one request. */
export const screenQuery = (days: number) =>
  queryOptions({
    queryKey: ["overview", "screen", days],
    queryFn: () => got(api.GET("/api/v1/gpu/overview/screen", { params: { query: { days } } })),
    refetchInterval: 60_000,
  });
