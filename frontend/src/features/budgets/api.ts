import { queryOptions } from "@tanstack/react-query";
import { api, listed, type Schemas, tagged } from "../../api/client";

export type Budget = Schemas["Budget"];
export type BudgetCreate = Schemas["BudgetCreate"];
export type BudgetNotice = Schemas["BudgetNotice"];

export const budgetsQuery = queryOptions({
  queryKey: ["budgets", "list"],
  queryFn: () => listed(api.GET("/api/v1/gpu/budgets")),
});

/** One budget with its edition, for a change that must not overwrite another's. */
export function budgetQuery(budgetId: number) {
  return queryOptions({
    queryKey: ["budgets", "one", budgetId],
    queryFn: () =>
      tagged(api.GET("/api/v1/gpu/budgets/{budgetId}", { params: { path: { budgetId } } })),
    staleTime: 0,
  });
}

export function noticesQuery(budgetId: number) {
  return queryOptions({
    queryKey: ["budgets", "notices", budgetId],
    queryFn: () =>
      listed(
        api.GET("/api/v1/gpu/budgets/{budgetId}/notices", {
          params: { path: { budgetId } },
        }),
      ),
  });
}
