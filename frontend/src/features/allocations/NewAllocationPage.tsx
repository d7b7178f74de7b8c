import { Button, Grid, Group } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { ApiProblem } from "../../api/problem";
import { useUrlStates } from "../../lib/urlState";
import { Page } from "../../ui/Page";
import { useSession } from "../../ui/session";
import { Failed } from "../../ui/states";
import { tell } from "../../ui/toast";
import { type AllocationCreate, previewQuery } from "./api";
import { Fits } from "./Fits";
import { bodyOf, type Field, type Form, formOf, inAddress } from "./form";
import "./allocations.css";
import { RequestFields } from "./RequestFields";

const PREVIEW_AFTER_MS = 350;

/** Ask for GPUs, and see before asking whether, where and at what price. */
export default function NewAllocationPage() {
  const { t } = useTranslation("allocations");
  const session = useSession();
  const [search, setSearch] = useUrlStates();
  const form = formOf(search, session);
  const body = bodyOf(form);
  const [settled] = useDebouncedValue(JSON.stringify(body), PREVIEW_AFTER_MS);
  const preview = useQuery(previewQuery(JSON.parse(settled) as AllocationCreate | null));
  const ask = useAsk();
  const errors = { ...fieldsOf(preview.error), ...fieldsOf(ask.error) };
  const set = <F extends Field>(field: F, value: Form[F]) => setSearch(inAddress(field, value));
  return (
    <Page
      title={t("new.title")}
      lead={t("new.lead")}
      crumbs={[{ label: t("title"), to: "/allocations" }]}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (body) ask.mutate(body);
        }}
      >
        <Grid gap="md">
          <Grid.Col span={{ base: 12, md: 7 }}>
            <RequestFields form={form} set={set} errors={errors} />
          </Grid.Col>
          <Grid.Col span={{ base: 12, md: 5 }}>
            <div className="answer">
              <Fits query={preview} isAsked={body !== null} hours={form.hours} />
              {ask.error && (
                <div style={{ marginTop: 12 }}>
                  <Failed error={ask.error} />
                </div>
              )}
              <Group mt="md">
                <Button type="submit" loading={ask.isPending} disabled={body === null}>
                  {preview.data?.fits === false && form.wait ? t("new.queue") : t("new.send")}
                </Button>
              </Group>
            </div>
          </Grid.Col>
        </Grid>
      </form>
    </Page>
  );
}

function useAsk() {
  const { t } = useTranslation("allocations");
  const client = useQueryClient();
  const navigate = useNavigate();
  // The same key for the same press: a request that is repeated by the network is held once.
  const key = useRef("");
  return useMutation({
    mutationFn: (body: AllocationCreate) => {
      key.current ||= crypto.randomUUID();
      return got(
        api.POST("/api/v1/gpu/allocations", {
          body,
          params: { header: { "idempotency-key": key.current } },
        }),
      );
    },
    onSuccess: (made) => {
      tell(
        made.phase === "Pending" ? t("new.queued") : t("new.held"),
        made.allocatedResource ?? undefined,
      );
      void client.invalidateQueries({ queryKey: ["allocations"] });
      void navigate({ to: `/allocations/${made.allocationId}` as never });
    },
    onError: () => {
      key.current = "";
    },
  });
}

function fieldsOf(error: unknown): Record<string, string> {
  return error instanceof ApiProblem ? error.fieldErrors : {};
}
