import type { ReactNode } from "react";
import type { TableState } from "./tableState";

export type CellValue = string | number | boolean | null | undefined;

export interface Column<Row> {
  /** Also its name in the address and, for server-sorted tables, in the API's `sort`. */
  id: string;
  header: string;
  /** What sorting, searching and filtering look at. */
  value?: (row: Row) => CellValue;
  /** What is shown; the value as text when absent. */
  cell?: (row: Row) => ReactNode;
  align?: "start" | "end";
  /** Offer a choice of values above the table. */
  filter?: { label: string; value: string }[] | "values";
  sortable?: boolean;
  /** Not shown until it is chosen. */
  hidden?: boolean;
  width?: number;
}

/** Rows that fit search and filters; the order stays. */
export function matching<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  state: Pick<TableState, "search" | "filters">,
): Row[] {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = columns.filter((column) => state.filters[column.id] && column.value);
  if (words.length === 0 && wanted.length === 0) return [...rows];
  return rows.filter((row) => {
    for (const column of wanted) {
      if (String(column.value?.(row) ?? "") !== state.filters[column.id]) return false;
    }
    if (words.length === 0) return true;
    const text = searchText(row, columns);
    return words.every((word) => text.includes(word));
  });
}

/** What the search looks at, by columns and row: people type letter by letter. */
const texts = new WeakMap<readonly unknown[], WeakMap<object, string>>();

function searchText<Row>(row: Row, columns: readonly Column<Row>[]): string {
  const write = () =>
    columns
      .map((column) => column.value?.(row) ?? "")
      .join(" ")
      .toLowerCase();
  if (typeof row !== "object" || row === null) return write();
  const known = texts.get(columns) ?? new WeakMap<object, string>();
  texts.set(columns, known);
  const text = known.get(row) ?? write();
  known.set(row, text);
  return text;
}

/** Compare two values: numbers by size, text as people of the language do, unknown last. */
export function compare(one: CellValue, other: CellValue, collator: Intl.Collator): number {
  if (one == null || other == null) return Number(one == null) - Number(other == null);
  if (typeof one === "number" && typeof other === "number") return one - other;
  return collator.compare(String(one), String(other));
}

/** Rows in the order of `sort` (`-id` reverses); unknown values stay last either way. */
export function sorted<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sort: string,
  locale: string,
): Row[] {
  const isReversed = sort.startsWith("-");
  const column = columns.find((one) => one.id === sort.replace(/^-/, ""));
  const read = column?.value;
  if (!read) return [...rows];
  const collator = new Intl.Collator(locale, { numeric: true, sensitivity: "base" });
  const inOrder = (left: CellValue, right: CellValue) => {
    const order = compare(left, right, collator);
    return left == null || right == null || !isReversed ? order : -order;
  };
  const keyed = rows.map((row) => ({ row, value: read(row) }));
  // Mostly the server has sorted them so already, and comparing names costs.
  const isSorted = keyed.every(
    ({ value }, at) => at === 0 || inOrder(keyed[at - 1]?.value, value) <= 0,
  );
  if (!isSorted) keyed.sort((one, other) => inOrder(one.value, other.value));
  return keyed.map(({ row }) => row);
}

/** The values a column has, for its filter. */
export function valuesOf<Row>(rows: readonly Row[], column: Column<Row>): string[] {
  const found = new Set<string>();
  for (const row of rows) {
    const value = column.value?.(row);
    if (value != null && value !== "") found.add(String(value));
    if (found.size > 200) break;
  }
  return [...found].sort();
}
