import { useMemo } from "react";
import { useUrlStates } from "../lib/urlState";

export interface TableState {
  /** Column and direction as the API writes it: `nodeName` or `-nodeName`; empty: as it comes. */
  sort: string;
  /** Text that rows must contain. */
  search: string;
  /** Wanted value of each filtered column. */
  filters: Record<string, string>;
  /** Columns that are shown; null: those the table shows by itself. */
  columns: string[] | null;
}

/** The state of the table `name` in the address, and the way to change it. */
export function useTableState(name: string) {
  const [search, setAll] = useUrlStates();
  const prefix = name ? `${name}.` : "";
  return useMemo(() => {
    const told = (key: string) => search[`${prefix}${key}`] ?? "";
    const filters: Record<string, string> = {};
    for (const [key, value] of Object.entries(search)) {
      if (key.startsWith(`${prefix}f.`)) filters[key.slice(prefix.length + 2)] = value;
    }
    const state: TableState = {
      sort: told("sort"),
      search: told("q"),
      filters,
      columns: told("cols") ? told("cols").split(",") : null,
    };
    return {
      ...state,
      setSort: (value: string) => setAll({ [`${prefix}sort`]: value || undefined }),
      setSearch: (value: string) => setAll({ [`${prefix}q`]: value || undefined }),
      setFilter: (column: string, value: string | null) =>
        setAll({ [`${prefix}f.${column}`]: value || undefined }),
      setColumns: (value: string[] | null) =>
        setAll({ [`${prefix}cols`]: value ? value.join(",") : undefined }),
    };
  }, [search, prefix, setAll]);
}
