import { queryOptions } from "@tanstack/react-query";
import { api, listed, type Schemas } from "../../api/client";

export type MonthSummary = Schemas["MonthSummary"];
export type MonthStatement = Schemas["MonthStatement"];
export type TeamStatement = Schemas["TeamStatement"];
export type TeamSums = Schemas["TeamSums"];
export type StatementLine = Schemas["StatementLine"];

/** The document also declares pages and CSV, so it cannot say which of them an answer is. */
async function statementOf<T>(answer: Promise<{ data?: unknown }>): Promise<T> {
  return (await answer).data as T;
}

export const monthsQuery = queryOptions({
  queryKey: ["statements", "months"],
  queryFn: () => listed(api.GET("/api/v1/gpu/statements")),
});

export function monthQuery(month: string) {
  return queryOptions({
    queryKey: ["statements", "month", month],
    queryFn: () =>
      statementOf<MonthStatement>(
        api.GET("/api/v1/gpu/statements/{month}", { params: { path: { month } } }),
      ),
  });
}

export function teamQuery(month: string, teamId: string) {
  return queryOptions({
    queryKey: ["statements", "team", month, teamId],
    queryFn: () =>
      statementOf<TeamStatement>(
        api.GET("/api/v1/gpu/statements/{month}/{teamId}", {
          params: { path: { month, teamId } },
        }),
      ),
  });
}
