import { useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback } from "react";

export type Search = Record<string, string>;

/** The query string as plain text values: what a person can read and change. */
export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text));
}

/** The reverse; empty values are left out, so that addresses stay short. */
export function writeSearch(search: Record<string, unknown>): string {
  const told = Object.entries(search).filter(([, value]) => value != null && value !== "");
  const text = new URLSearchParams(told.map(([key, value]) => [key, String(value)])).toString();
  return text ? `?${text}` : "";
}

/** State that lives in the address: `[value, set]`; the default value is not written. */
export function useUrlState(key: string, initial = ""): [string, (value: string) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const set = useCallback(
    (value: string) => {
      const change = (old: Search) => ({ ...old, [key]: value === initial ? undefined : value });
      void navigate({ to: ".", search: change as never, replace: true });
    },
    [key, initial, navigate],
  );
  return [search[key] ?? initial, set];
}

/** Several values of the address at once; `set` changes those it names. */
export function useUrlStates(): [Search, (changes: Record<string, string | undefined>) => void] {
  const search = useSearch({ strict: false }) as Search;
  const navigate = useNavigate();
  const set = useCallback(
    (changes: Record<string, string | undefined>) => {
      const change = (old: Search) => ({ ...old, ...changes });
      void navigate({ to: ".", search: change as never, replace: true });
    },
    [navigate],
  );
  return [search, set];
}
