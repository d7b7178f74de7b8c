import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, listed, type Schemas } from "../../api/client";
import { type CostQuestion, filtersOnWire } from "./question";

export type CostRow = Schemas["CostRow"];
export type BucketRow = Schemas["BucketRow"];

const MOST_ROWS = 1000;

/** Where the rows are: of everybody, or of one's own team. */
export function costPath(seesAll: boolean) {
  return seesAll ? "/api/v1/gpu/cost/by" : "/api/v1/gpu/me/cost/by";
}

/** Costs by one dimension, or by it and the day; of everybody, or of one's own team. */
export function costQuery(question: CostQuestion, isDaily: boolean, seesAll: boolean) {
  const group = isDaily ? byDay(question.aggregate) : question.aggregate;
  return groupedQuery(question, group, seesAll);
}

/** Costs by the dimension of the question and a second one below it. */
export function treeQuery(question: CostQuestion, inner: string, seesAll: boolean) {
  return groupedQuery(question, `${question.aggregate},${inner}`, seesAll);
}

function groupedQuery(question: CostQuestion, group: string, seesAll: boolean) {
  const query = {
    group,
    window: question.window,
    limit: MOST_ROWS,
    ...filtersOnWire(question.filters),
  };
  return queryOptions({
    queryKey: ["cost", "by", query, seesAll],
    queryFn: () =>
      listed(
        seesAll
          ? api.GET("/api/v1/gpu/cost/by", { params: { query } })
          : api.GET("/api/v1/gpu/me/cost/by", { params: { query } }),
      ),
    // No rows of the question before: a row of another split would lead the wrong way down.
    staleTime: 30_000,
  });
}

/** Days of thousands of allocations are no chart: those are told as one sum a day. */
export function byDay(aggregate: CostQuestion["aggregate"]): string {
  const isTime = aggregate === "day" || aggregate === "month";
  return isTime || aggregate === "allocation" ? "day" : `${aggregate},day`;
}

/** Filters that a free GPU can be told apart by. */
const OF_CARDS = new Set(["model", "node", "cluster"]);

/** Whether used, idle and free can be told: a free GPU has no team. */
export function canSplit(question: CostQuestion): boolean {
  return Object.keys(question.filters).every((name) => OF_CARDS.has(name));
}

/** Where the time of GPUs went, day by day. */
export function bucketsQuery(question: CostQuestion, seesAll: boolean) {
  const isAsked = seesAll && canSplit(question);
  return queryOptions({
    queryKey: ["cost", "buckets", question.window, question.filters],
    queryFn: () =>
      listed(
        api.GET("/api/v1/gpu/ledger/buckets", {
          params: {
            query: {
              group: "day",
              window: question.window,
              ...(isAsked ? filtersOnWire(question.filters) : {}),
            },
          },
        }),
      ),
    enabled: isAsked,
    placeholderData: keepPreviousData,
    staleTime: 30_000,
  });
}
