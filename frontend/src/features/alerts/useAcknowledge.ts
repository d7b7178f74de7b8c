import { type InfiniteData, useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type Listing } from "../../api/client";
import { tell, tellFailure } from "../../ui/toast";
import type { Alert } from "./api";
import { eachRow } from "./useSilences";

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

/** The same pages with one alert taken on. */
export function taken(pages: Pages, alertId: string): Pages {
  return eachRow(pages, (row) =>
    row.alertId === alertId ? { ...row, status: "acknowledged" } : row,
  );
}
