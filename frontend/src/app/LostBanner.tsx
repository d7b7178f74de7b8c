import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { useTranslation } from "react-i18next";
import { EVERYTHING, liveStream } from "../lib/live";
import { useLiveState } from "../lib/useLive";
import { Icon } from "../ui/Icon";
import { useFormat } from "../ui/useFormat";

/** While the stream of events is broken: since when what is shown may be old. */
export function LostBanner() {
  const { t } = useTranslation("app");
  const format = useFormat();
  const client = useQueryClient();
  const state = useLiveState();
  // Listens on every page, and asks everything anew when the server is back.
  useEffect(
    () =>
      liveStream.listen((types) => {
        if (types.has(EVERYTHING)) void client.invalidateQueries();
      }),
    [client],
  );
  if (state !== "lost" || liveStream.lostAt === null) return null;
  return (
    <div className="lost" role="status">
      <Icon name="warning" size={16} /> {t("live.since", { time: format.clock(liveStream.lostAt) })}
    </div>
  );
}
