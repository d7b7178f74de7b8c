import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useTranslation } from "react-i18next";
import { api, type Tagged } from "../../api/client";
import { tell } from "../../ui/toast";
import type { Channel } from "./api";
import { type ChannelForm, changeOf, creationOf } from "./channelForm";

const ONE = "/api/v1/gpu/notifications/channels/{channelId}";

/** Save a channel or remove it; what somebody else changed since it was read is not overwritten. */
export function useChannelChanges(read: Tagged<Channel> | null, onDone: () => void) {
  const { t } = useTranslation("alerts");
  const client = useQueryClient();
  const params = {
    path: { channelId: read?.value.id ?? 0 },
    header: { "if-match": read?.etag },
  };
  const done = (title: string, name: string) => {
    tell(title, name);
    void client.invalidateQueries({ queryKey: ["notifications"] });
    onDone();
  };
  const save = useMutation({
    mutationFn: async (form: ChannelForm) => {
      if (read === null) {
        await api.POST("/api/v1/gpu/notifications/channels", { body: creationOf(form) });
      } else await api.PUT(ONE, { params, body: changeOf(form) });
    },
    onSuccess: (_none, form) => done(t("channel.saved"), form.name),
  });
  const remove = useMutation({
    mutationFn: () => api.DELETE(ONE, { params }),
    onSuccess: () => done(t("channel.removed"), read?.value.name ?? ""),
  });
  return { save, remove };
}
