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
    client.clear();
    await client.fetchQuery({ ...sessionQuery, staleTime: 0 });
  };
}
