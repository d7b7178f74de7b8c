import { type InfiniteData, useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type Listing } from "../../api/client";
import { tell, tellFailure } from "../../ui/toast";
import type { Alert } from "./api";

type Pages = InfiniteData<Listing<Alert>>;
const LISTS = { queryKey: ["alerts", "list"] };

/** Take an alert on: shown at once in every list, and put back when the server refuses. */
export function useAcknowledge() {
  const { t } = useTranslation("alerts");
  const client = useQueryClient();
  return useMutation({
    mutationFn: (alertId: string) =>
      api.POST("/api/v1/gpu/alerts/{alertId}/acknowledge", {
        params: { path: { alertId } },
        body: {},
      }),
    onMutate: async (alertId) => {
      await client.cancelQueries(LISTS);
      const before = client.getQueriesData<Pages>(LISTS);
      client.setQueriesData<Pages>(LISTS, (pages) => pages && taken(pages, alertId));
      return { before };
    },
    onSuccess: () => tell(t("acknowledge.done")),
    onError: (error, _alertId, kept) => {
      for (const [key, pages] of kept?.before ?? []) client.setQueryData(key, pages);
      tellFailure(t("acknowledge.failed"), error);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["alerts"] }),
  });
}

/** The same pages with one alert acknowledged. */
export function taken(pages: Pages, alertId: string): Pages {
  const one = (row: Alert): Alert =>
    row.alertId === alertId ? { ...row, status: "acknowledged" } : row;
  return { ...pages, pages: pages.pages.map((page) => ({ ...page, rows: page.rows.map(one) })) };
}
