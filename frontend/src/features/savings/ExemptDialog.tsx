import { Autocomplete, Button, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api } from "../../api/client";
import { ApiProblem } from "../../api/problem";
import { useMay } from "../../ui/session";
import { Failed } from "../../ui/states";
import { tell } from "../../ui/toast";
import { type ExemptScope, idleQuery } from "./api";

const DAYS = ["1", "3", "7", "30", "90"] as const;
/** Seconds short of the longest, so that the clock of the server agrees. */
const SHORT_MS = 60_000;

interface ExemptDialogProps {
  /** The allocation that is meant; empty: it is still to be said. */
  allocationId: string;
  onClose: () => void;
}

/** Leave an allocation, a team or a namespace alone until a moment, and say why. */
export function ExemptDialog({ allocationId, onClose }: ExemptDialogProps) {
  const { t } = useTranslation("savings");
  const client = useQueryClient();
  const maySeeAll = useMay("general.write");
  const [scope, setScope] = useState<ExemptScope>(allocationId ? "allocation" : "team");
  const [scopeName, setName] = useState(allocationId);
  const [days, setDays] = useState<string>("7");
  const [note, setNote] = useState("");
  const known = useNames(scope);
  const scopes: ExemptScope[] = [
    "allocation",
    "team",
    ...(maySeeAll ? ["namespace" as const] : []),
  ];
  const exempt = useMutation({
    mutationFn: () =>
      api.POST("/api/v1/gpu/suggestions/exemptions", {
        body: { scope, scopeName: scopeName.trim(), until: after(days), note: note.trim() || null },
      }),
    onSuccess: () => {
      tell(t("exempt.done"), scopeName);
      void client.invalidateQueries({ queryKey: ["suggestions"] });
      onClose();
    },
  });
  const errors = exempt.error instanceof ApiProblem ? exempt.error.fieldErrors : {};
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("exempt.add")}
      closeButtonProps={{ "aria-label": t("app:action.close") }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          exempt.mutate();
        }}
      >
        <Stack>
          <Select
            label={t("exempt.scope")}
            allowDeselect={false}
            data={scopes.map((value) => ({ value, label: t(`exempt.scopes.${value}`) }))}
            value={scope}
            onChange={(value) => {
              setScope(value as ExemptScope);
              setName("");
            }}
          />
          <Autocomplete
            label={t("exempt.name")}
            description={t(`exempt.nameHint.${scope}`)}
            required
            data={known}
            value={scopeName}
            error={errors.scopeName}
            onChange={setName}
          />
          <Select
            label={t("exempt.for")}
            allowDeselect={false}
            data={DAYS.map((value) => ({ value, label: t(`exempt.days.${value}`) }))}
            value={days}
            error={errors.until}
            onChange={(value) => setDays(value ?? "7")}
          />
          <TextInput
            label={t("exempt.reason")}
            maxLength={400}
            value={note}
            error={errors.note}
            onChange={(event) => setNote(event.currentTarget.value)}
          />
          {exempt.error && <Failed error={exempt.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>
              {t("app:action.cancel")}
            </Button>
            <Button type="submit" loading={exempt.isPending} disabled={!scopeName.trim()}>
              {t("exempt.send")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

/** Names that are likely meant: of what lies idle now. */
function useNames(scope: ExemptScope): string[] {
  const idle = useQuery(idleQuery).data?.rows ?? [];
  const names = idle.map((row) => {
    if (scope === "allocation") return row.allocationId;
    return scope === "team" ? row.teamId : row.namespace;
  });
  return [...new Set(names.filter((name) => name !== null))].sort();
}

function after(days: string): string {
  return new Date(Date.now() + Number(days) * 86_400_000 - SHORT_MS).toISOString();
}
