import { useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api } from "../api/client";
import { liveStream } from "../lib/live";
import { tellFailure } from "../ui/toast";
import { sessionQuery } from "./sessionQuery";

/** End the session here and on the server, and forget what was read with it. */
export function useLogout(): () => void {
  const client = useQueryClient();
  const { t } = useTranslation("app");
  return async () => {
    try {
      await api.DELETE("/api/v1/session");
    } catch (error) {
      tellFailure(t("shell.logoutFailed"), error);
      return;
    }
    liveStream.stop();
    // First who we are now, which takes the pages away; then what they had read.
    await client.refetchQueries({ queryKey: sessionQuery.queryKey });
    client.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
  };
}
