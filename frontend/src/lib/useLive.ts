import { type QueryKey, useQueryClient } from "@tanstack/react-query";
import { useEffect, useSyncExternalStore } from "react";
import { concerns, type LiveState, liveStream, oneAtATime } from "./live";

/** Ask `keys` again when an event of `patterns` (`allocation.*`) has happened. */
export function useLive(patterns: readonly string[], ...keys: QueryKey[]): void {
  const client = useQueryClient();
  const told = JSON.stringify([patterns, keys]);
  useEffect(() => {
    const [wanted, asked] = JSON.parse(told) as [string[], QueryKey[]];
    const askAgain = oneAtATime(() =>
      Promise.all(asked.map((queryKey) => client.invalidateQueries({ queryKey }))),
    );
    return liveStream.listen((types) => {
      if (concerns(types, wanted)) askAgain();
    });
  }, [client, told]);
}

/** How the stream of events stands. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(liveStream.watch, () => liveStream.state);
}
