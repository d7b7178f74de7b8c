import { Badge, Button, Group } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { apiHref } from "../../lib/root";
import { DataTable } from "../../ui/DataTable";
import { Icon } from "../../ui/Icon";
import { Page } from "../../ui/Page";
import { Async, Empty } from "../../ui/states";
import type { Column } from "../../ui/tableRows";
import { tell, tellFailure } from "../../ui/toast";
import { useFormat } from "../../ui/useFormat";
import { type ApiKey, type IssuedApiKey, keysQuery } from "./api";
import { NewKey } from "./NewKey";
import { Secret } from "./Secret";

/** Keys of people and pipelines; a secret is shown once, when it is made. */
export default function KeysPage() {
  const { t } = useTranslation("admin");
  const keys = useQuery(keysQuery);
  const [isOpen, setOpen] = useState(false);
  const [issued, setIssued] = useState<IssuedApiKey | null>(null);
  const columns = useColumns(setIssued);
  const open = (
    <Button leftSection={<Icon name="plus" />} onClick={() => setOpen(true)}>
      {t("key.new")}
    </Button>
  );
  return (
    <Page title={t("key.title")} lead={t("key.lead")} actions={open}>
      <Async query={keys} rows={6}>
        {(list) => (
          <DataTable
            label={t("key.title")}
            rows={list.rows}
            columns={columns}
            rowKey={(row) => row.keyId}
            sort="-createdAt"
            csvHref={apiHref("/api/v1/admin/api-keys", { format: "csv" })}
            empty={
              <Empty title={t("key.none")} hint={t("key.noneHint")} icon="key" action={open} />
            }
          />
        )}
      </Async>
      {isOpen && (
        <NewKey
          onClose={() => setOpen(false)}
          onIssued={(key) => {
            setOpen(false);
            setIssued(key);
          }}
        />
      )}
      {issued && <Secret issued={issued} onClose={() => setIssued(null)} />}
    </Page>
  );
}

type State = "revoked" | "expired" | "valid";

/** Whether a key still opens anything at `now`. */
export function stateOf(key: Pick<ApiKey, "revokedAt" | "expiresAt">, now: number): State {
  if (key.revokedAt) return "revoked";
  return key.expiresAt && new Date(key.expiresAt).getTime() <= now ? "expired" : "valid";
}

function useColumns(onIssued: (key: IssuedApiKey) => void): Column<ApiKey>[] {
  const { t } = useTranslation("admin");
  const format = useFormat();
  return useMemo(
    () => [
      {
        id: "name",
        header: t("key.name"),
        value: (row) => row.name,
        cell: (row) => (
          <>
            <b>{row.name}</b> <code>{row.prefix}…</code>
          </>
        ),
      },
      { id: "roles", header: t("key.roles"), value: (row) => row.roles.join(", ") },
      { id: "team", header: t("key.team"), value: (row) => row.team },
      { id: "user", header: t("key.user"), value: (row) => row.user, hidden: true },
      {
        id: "state",
        header: t("state"),
        value: (row) => stateOf(row, Date.now()),
        cell: (row) => <State state={stateOf(row, Date.now())} />,
      },
      {
        id: "createdAt",
        header: t("key.created"),
        value: (row) => row.createdAt,
        cell: (row) => `${format.date(row.createdAt)} · ${row.createdBy}`,
      },
      {
        id: "lastUsedAt",
        header: t("key.used"),
        value: (row) => row.lastUsedAt,
        cell: (row) => (row.lastUsedAt ? format.since(row.lastUsedAt) : t("key.never")),
      },
      {
        id: "expiresAt",
        header: t("key.expires"),
        value: (row) => row.expiresAt,
        cell: (row) => format.time(row.expiresAt),
      },
      {
        id: "actions",
        header: "",
        cell: (row) =>
          stateOf(row, Date.now()) === "valid" && <Actions one={row} onIssued={onIssued} />,
      },
    ],
    [t, format, onIssued],
  );
}

function State({ state }: { state: State }) {
  const { t } = useTranslation("admin");
  return (
    <Badge
      variant="light"
      radius="sm"
      tt="none"
      className="state-badge"
      color={state === "valid" ? "teal" : "gray"}
      leftSection={<Icon name={state === "valid" ? "check" : "off"} size={13} />}
    >
      {t(`key.state.${state}`)}
    </Badge>
  );
}

function Actions({ one, onIssued }: { one: ApiKey; onIssued: (key: IssuedApiKey) => void }) {
  const { t } = useTranslation("admin");
  const client = useQueryClient();
  const params = { path: { keyId: one.keyId } };
  const [isSure, setSure] = useState(false);
  const onSettled = () => client.invalidateQueries({ queryKey: ["admin", "keys"] });
  const rotate = useMutation({
    mutationFn: () =>
      got(
        api.POST("/api/v1/admin/api-keys/{keyId}/rotate", {
          params,
          body: { graceSeconds: 3600 },
        }),
      ),
    onSuccess: onIssued,
    onError: (error) => tellFailure(t("key.rotateFailed"), error),
    onSettled,
  });
  const revoke = useMutation({
    mutationFn: () => api.DELETE("/api/v1/admin/api-keys/{keyId}", { params }),
    onSuccess: () => tell(t("key.revoked"), one.name),
    onError: (error) => tellFailure(t("key.revokeFailed"), error),
    onSettled,
  });
  return (
    <Group gap={6} wrap="nowrap">
      <Button
        size="compact-xs"
        variant="default"
        title={t("key.rotateHint")}
        loading={rotate.isPending}
        onClick={() => rotate.mutate()}
      >
        {t("key.rotate")}
      </Button>
      <Button
        size="compact-xs"
        color="red"
        variant={isSure ? "filled" : "outline"}
        loading={revoke.isPending}
        onClick={() => (isSure ? revoke.mutate() : setSure(true))}
        onBlur={() => setSure(false)}
      >
        {isSure ? t("key.revokeSure") : t("key.revoke")}
      </Button>
    </Group>
  );
}
