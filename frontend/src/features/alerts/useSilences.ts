import {
  type InfiniteData,
  type QueryClient,
  useMutation,
  useQueryClient,
} from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, got, type Listing } from "../../api/client";
import { tell, tellFailure } from "../../ui/toast";
import { type Alert, type SilenceCreate, silencesQuery } from "./api";

type Pages = InfiniteData<Listing<Alert>>;
const LISTS = { queryKey: ["alerts", "list"] };
const { queryKey: SILENCES } = silencesQuery;

/** Silence an alert: shown at once in every list, and put back when the server refuses. */
export function useSilence(alert: Alert, onDone: () => void) {
  const { t } = useTranslation("alerts");
  const client = useQueryClient();
  return useMutation({
    mutationFn: (body: SilenceCreate) => got(api.POST("/api/v1/gpu/alerts/silences", { body })),
    onMutate: () =>
      changed(client, (row) =>
        row.alertId === alert.alertId ? { ...row, status: "silenced" as const } : row,
      ),
    onSuccess: (silence) => {
      tell(t("silence.done"));
      void changed(client, (row) =>
        row.alertId === alert.alertId ? { ...row, silenceId: silence.silenceId } : row,
      );
      void client.invalidateQueries({ queryKey: SILENCES });
      onDone();
    },
    // The dialog stays and says why; the lists are as they were.
    onError: (_error, _body, before) =>
      before?.forEach(([key, pages]) => {
        client.setQueryData(key, pages);
      }),
  });
}

/** End a silence: it and what it covered change at once, and back when the server refuses. */
export function useEndSilence() {
  const { t } = useTranslation("alerts");
  const client = useQueryClient();
  return useMutation({
    mutationFn: (silenceId: string) =>
      api.DELETE("/api/v1/gpu/alerts/silences/{silenceId}", { params: { path: { silenceId } } }),
    onMutate: async (silenceId) => {
      await client.cancelQueries({ queryKey: SILENCES });
      const silences = client.getQueryData(SILENCES);
      client.setQueryData(SILENCES, (list) => list && withoutSilence(list, silenceId));
      const lists = await changed(client, (row) =>
        row.silenceId === silenceId ? { ...row, status: "firing" as const, silenceId: null } : row,
      );
      return { silences, lists };
    },
    onSuccess: () => tell(t("silence.ended")),
    onError: (error, _silenceId, before) => {
      client.setQueryData(SILENCES, before?.silences);
      for (const [key, pages] of before?.lists ?? []) client.setQueryData(key, pages);
      tellFailure(t("silence.endFailed"), error);
    },
    // Alerts are told anew by an event, with the next look of the server.
    onSettled: () => client.invalidateQueries({ queryKey: SILENCES }),
  });
}

/** Change rows of every list of alerts; return what the lists were. */
async function changed(client: QueryClient, change: (row: Alert) => Alert) {
  await client.cancelQueries(LISTS);
  const before = client.getQueriesData<Pages>(LISTS);
  client.setQueriesData<Pages>(LISTS, (pages) => pages && eachRow(pages, change));
  return before;
}

/** The same pages with each row as `change` makes it. */
export function eachRow(pages: Pages, change: (row: Alert) => Alert): Pages {
  return { ...pages, pages: pages.pages.map((page) => ({ ...page, rows: page.rows.map(change) })) };
}

function withoutSilence<Row extends { silenceId: string }>(list: Listing<Row>, gone: string) {
  const rows = list.rows.filter((row) => row.silenceId !== gone);
  return { ...list, rows, total: rows.length };
}
