import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type Listing } from "../../api/client";
import { tell, tellFailure } from "../../ui/toast";
import type { Suggestion } from "./api";

const LISTS = { queryKey: ["suggestions", "list"] };

/** Follow a suggestion, or say no to it: shown at once, and put back when the server refuses. */
export function useAnswers(one: Suggestion, onSent: () => void) {
  const { t } = useTranslation("savings");
  const params = { path: { suggestionId: one.id } };
  const dismiss = useAnswer(one, "dismissed", onSent, {
    send: () => api.POST("/api/v1/gpu/suggestions/{suggestionId}/dismiss", { params, body: {} }),
    done: t("dismiss.done"),
    failed: t("dismiss.failed"),
  });
  const apply = useAnswer(one, "applied", onSent, {
    send: () => api.POST("/api/v1/gpu/suggestions/{suggestionId}/apply", { params }),
    done: t("apply.done"),
    failed: t("apply.failed"),
  });
  return { dismiss, apply };
}

interface Answer {
  send: () => Promise<unknown>;
  done: string;
  failed: string;
}

function useAnswer(
  one: Suggestion,
  status: Suggestion["status"],
  onSent: () => void,
  answer: Answer,
) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: answer.send,
    onMutate: async () => {
      await client.cancelQueries(LISTS);
      const before = client.getQueriesData<Listing<Suggestion>>(LISTS);
      client.setQueriesData<Listing<Suggestion>>(
        LISTS,
        (list) => list && answered(list, one.id, status),
      );
      onSent();
      return { before };
    },
    onSuccess: () => tell(answer.done, one.target),
    onError: (error, _none, kept) => {
      for (const [key, list] of kept?.before ?? []) client.setQueryData(key, list);
      tellFailure(answer.failed, error);
    },
    onSettled: () => {
      for (const noun of ["suggestions", "allocations", "metrics"]) {
        void client.invalidateQueries({ queryKey: [noun] });
      }
    },
  });
}

/** The same list with one suggestion answered. */
export function answered(
  list: Listing<Suggestion>,
  id: number,
  status: Suggestion["status"],
): Listing<Suggestion> {
  const rows = list.rows.map((row) => (row.id === id ? { ...row, status } : row));
  return { ...list, rows };
}
