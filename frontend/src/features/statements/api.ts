import { queryOptions } from "@tanstack/react-query";
import { api, listed, type Schemas } from "../../api/client";

export type MonthSummary = Schemas["MonthSummary"];
export type MonthStatement = Schemas["MonthStatement"];
export type TeamStatement = Schemas["TeamStatement"];
export type TeamSums = Schemas["TeamSums"];
export type StatementLine = Schemas["StatementLine"];

/** What belongs to no team. */
export const UNASSIGNED = "unassigned";

/** The document also declares pages and CSV, so it cannot say which of them an answer is. */
async function statementOf<T>(answer: Promise<{ data?: unknown }>): Promise<T> {
  return (await answer).data as T;
}

/** The months, of everybody or with what one's own team was billed. */
export function monthsQuery(seesAll: boolean) {
  return queryOptions({
    queryKey: ["statements", "months", seesAll],
    queryFn: () =>
      listed(seesAll ? api.GET("/api/v1/gpu/statements") : api.GET("/api/v1/gpu/me/statements")),
  });
}

/** What of a team's month was used, was idle, and was not measured. */
export function partsQuery(statement: TeamStatement, seesAll: boolean) {
  const query = {
    group: "team",
    team: statement.teamId === UNASSIGNED ? "" : statement.teamId,
    window: `${statement.periodStart},${statement.asOf < statement.periodEnd ? statement.asOf : statement.periodEnd}`,
  };
  return queryOptions({
    queryKey: ["statements", "parts", query, seesAll],
    queryFn: () =>
      listed(
        seesAll
          ? api.GET("/api/v1/gpu/cost/by", { params: { query } })
          : api.GET("/api/v1/gpu/me/cost/by", { params: { query } }),
      ),
  });
}

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
