import { Button, Grid, Group, NumberInput, Select } from "@mantine/core";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { useUrlStates } from "../../lib/urlState";
import { Page } from "../../ui/Page";
import { Async, Empty, Failed, Loading, Panel } from "../../ui/states";
import { tell, tellFailure } from "../../ui/toast";
import {
  examplesQuery,
  type PlanAsk,
  type PlanCreate,
  previewQuery,
  type Screen,
  screenQuery,
} from "./api";
import { PlanFields } from "./PlanFields";
import { PlanShown } from "./PlanShown";
import { bodyOf, type Field, type Form, formOf, inAddress, isAsked, isSound } from "./planForm";

const FORM = "plan-form";

/** Say what shall fit and what may move; see what that would do; keep it as a draft. */
export default function NewPlanPage() {
  const { t } = useTranslation("mig");
  const [search, setSearch] = useUrlStates();
  const screen = useQuery(screenQuery);
  const examples = useQuery(examplesQuery);
  const form = formOf(search);
  const body = bodyOf(form);
  const [asked, setAsked] = useState<PlanAsk | null>(
    isAsked(search) && isSound(form) ? body : null,
  );
  const set = <F extends Field>(field: F, value: Form[F]) => setSearch(inAddress(field, value));
  const result = useRef<HTMLDivElement>(null);
  const isOld = asked !== null && JSON.stringify(asked) !== JSON.stringify(body);
  return (
    <Page
      title={t("plan.title")}
      lead={t("plan.lead")}
      crumbs={[{ label: t("title"), to: "/mig" }]}
      actions={
        <Button
          type="submit"
          form={FORM}
          size="xs"
          disabled={!screen.data || !isSound(form)}
          variant={asked && !isOld ? "default" : "filled"}
        >
          {t("plan.preview")}
        </Button>
      }
    >
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <Async query={screen}>
            {(found) => (
              <form
                id={FORM}
                onSubmit={(event) => {
                  event.preventDefault();
                  if (!isSound(form)) return;
                  setAsked(body);
                  result.current?.scrollIntoView({ block: "nearest" });
                }}
              >
                <PlanFields
                  form={form}
                  set={set}
                  screen={found}
                  examples={examples.data?.rows ?? []}
                />
              </form>
            )}
          </Async>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 8 }} ref={result}>
          {screen.data && (
            <Preview
              asked={asked}
              isOld={isOld}
              screen={screen.data}
              onLimit={(limit) => {
                set("costLimit", limit);
                setAsked({ ...body, costLimit: limit });
              }}
            />
          )}
        </Grid.Col>
      </Grid>
    </Page>
  );
}

interface PreviewProps {
  asked: PlanAsk | null;
  /** The form says something else by now. */
  isOld: boolean;
  screen: Screen;
  onLimit: (limit: number) => void;
}

function Preview({ asked, isOld, screen, onLimit }: PreviewProps) {
  const { t } = useTranslation("mig");
  const preview = useQuery({ ...previewQuery(asked), placeholderData: keepPreviousData });
  if (asked === null) {
    return (
      <Panel title={t("plan.result")}>
        <Empty title={t("plan.notYet")} hint={t("plan.notYetHint")} icon="slices" />
      </Panel>
    );
  }
  if (preview.error) return <Failed error={preview.error} retry={() => void preview.refetch()} />;
  const isBusy = preview.isFetching;
  if (preview.data === undefined) {
    return (
      <Panel title={t("plan.result")} note={t("plan.searching", { count: asked.timeLimitSeconds })}>
        <Loading rows={6} label={t("plan.searching", { count: asked.timeLimitSeconds })} />
      </Panel>
    );
  }
  return (
    <div aria-busy={isBusy} style={{ opacity: isOld || isBusy ? 0.55 : 1 }}>
      <Async query={preview} rows={8}>
        {(plan) => (
          <PlanShown plan={plan} screen={screen} preview={plan} onLimit={onLimit}>
            {plan.steps.length > 0 && !isOld && !isBusy && <Keep asked={asked} />}
          </PlanShown>
        )}
      </Async>
    </div>
  );
}

const METHODS = ["mig-manager", "dynamic", "collector", "ledger"] as const;

/** Plan anew and keep the result as a draft: nothing changes before somebody approves it. */
function Keep({ asked }: { asked: PlanAsk }) {
  const { t } = useTranslation("mig");
  const [method, setMethod] = useState<string | null>(null);
  const [notice, setNotice] = useState(0);
  const client = useQueryClient();
  const navigate = useNavigate();
  const keep = useMutation({
    mutationFn: () =>
      got(
        api.POST("/api/v1/gpu/mig/plans", {
          body: {
            ...asked,
            withCurve: false,
            method: method as PlanCreate["method"],
            noticeSeconds: notice * 60,
          },
        }),
      ),
    onSuccess: (made) => {
      tell(t("keep.done"));
      void client.invalidateQueries({ queryKey: ["mig", "plans"] });
      void navigate({ to: `/mig/plans/${made.planId}` as never });
    },
    onError: (error) => tellFailure(t("keep.failed"), error),
  });
  return (
    <Panel title={t("keep.title")} note={t("keep.note")}>
      <Group align="flex-end">
        <Select
          label={t("col.method")}
          placeholder={t("keep.usual")}
          clearable
          clearButtonProps={{ "aria-label": t("app:action.clear") }}
          value={method}
          onChange={setMethod}
          data={METHODS.map((value) => ({ value, label: t(`method.${value}`) }))}
        />
        <NumberInput
          label={t("keep.notice")}
          min={0}
          max={1440}
          value={notice}
          onChange={(value) => setNotice(Number(value))}
        />
        <Button loading={keep.isPending} onClick={() => keep.mutate()}>
          {t("keep.send")}
        </Button>
      </Group>
    </Panel>
  );
}
