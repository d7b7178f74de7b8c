import {
  Checkbox,
  Group,
  NumberInput,
  SimpleGrid,
  Stack,
  Switch,
  TagsInput,
  Text,
  TextInput,
} from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Panel } from "../../ui/states";
import type { Screen, ScreenDevice } from "./api";
import { isOrdinary } from "./layouts";
import { WeightRows, WindowRows } from "./PlanRows";
import { type Field, type Form, WORKLOADS } from "./planForm";

interface FieldsProps {
  form: Form;
  set: <F extends Field>(field: F, value: Form[F]) => void;
  screen: Screen;
  /** Some GPUs and their holders, to choose from. */
  examples: readonly ScreenDevice[];
}

/** What a plan is for, what may move, and what must not be touched. */
export function PlanFields(props: FieldsProps) {
  const { t } = useTranslation("mig");
  return (
    <Stack gap="md">
      <Panel title={t("form.demand")}>
        <DemandFields {...props} />
      </Panel>
      <Panel title={t("form.movable")} note={t("form.movableNote")}>
        <Movable {...props} />
      </Panel>
      <Panel title={t("form.keep")} note={t("form.keepNote")}>
        <Kept {...props} />
      </Panel>
      <Panel title={t("form.limits")}>
        <Limits {...props} />
      </Panel>
      <Panel title={t("form.when")}>
        <WindowRows {...props} known={props.screen.nodes} />
      </Panel>
    </Stack>
  );
}

function DemandFields({ form, set, screen }: FieldsProps) {
  const { t } = useTranslation("mig");
  const isTold = Object.keys(form.demand).length > 0;
  const profiles = screen.demand.filter((one) => isOrdinary(one.profile));
  return (
    <Stack gap="sm">
      <Text size="sm">{t("form.demandHint", { count: screen.waitingRequests })}</Text>
      <SimpleGrid cols={{ base: 2, sm: 3, lg: 2, xl: 3 }} spacing="xs">
        {profiles.map((one) => (
          <NumberInput
            key={one.profile}
            label={one.profile}
            size="xs"
            min={0}
            max={10_000}
            placeholder="0"
            value={form.demand[one.profile] ?? ""}
            onChange={(value) => set("demand", { ...form.demand, [one.profile]: Number(value) })}
          />
        ))}
      </SimpleGrid>
      <NumberInput
        label={t("form.history")}
        description={t("form.historyHint")}
        min={0}
        max={366}
        disabled={isTold}
        value={form.historyDays}
        onChange={(value) => set("historyDays", Number(value))}
      />
    </Stack>
  );
}

function holdersOf(examples: readonly ScreenDevice[]) {
  return examples.flatMap((one) => one.slices.flatMap(({ holder }) => holder ?? []));
}

function known(values: (string | null)[]): string[] {
  return [...new Set(values.flatMap((one) => one || []))];
}

function Movable({ form, set, examples }: FieldsProps) {
  const { t } = useTranslation("mig");
  const holders = holdersOf(examples);
  return (
    <Stack gap="sm">
      <Checkbox.Group
        label={t("form.work")}
        value={form.work}
        onChange={(value) => set("work", value)}
      >
        <Group mt={4} gap="sm">
          {WORKLOADS.map((one) => (
            <Checkbox key={one} value={one} label={t(`work.${one}`)} size="sm" />
          ))}
        </Group>
      </Checkbox.Group>
      <Tags
        label={t("form.teams")}
        value={form.teams}
        data={known(holders.map((one) => one.teamId))}
        onChange={(value) => set("teams", value)}
      />
      <Tags
        label={t("form.namespaces")}
        value={form.namespaces}
        data={known(holders.map((one) => one.namespace))}
        onChange={(value) => set("namespaces", value)}
      />
      <Tags
        label={t("form.allocations")}
        value={form.allocations}
        data={known(holders.map((one) => one.allocationId))}
        onChange={(value) => set("allocations", value)}
      />
    </Stack>
  );
}

function Kept({ form, set, screen, examples }: FieldsProps) {
  const { t } = useTranslation("mig");
  return (
    <Stack gap="sm">
      <Tags
        label={t("form.keepNodes")}
        value={form.keepNodes}
        data={screen.nodes}
        onChange={(value) => set("keepNodes", value)}
      />
      <Tags
        label={t("form.keepGpus")}
        value={form.keepDevices}
        data={examples.map((one) => one.deviceId)}
        onChange={(value) => set("keepDevices", value)}
      />
      <TextInput
        label={t("form.keepLabels")}
        placeholder="tier=gold"
        value={form.keepLabels}
        onChange={(event) => set("keepLabels", event.currentTarget.value)}
      />
    </Stack>
  );
}

function Limits({ form, set, examples }: FieldsProps) {
  const { t } = useTranslation("mig");
  const teams = known(holdersOf(examples).map((one) => one.teamId));
  return (
    <Stack gap="sm">
      <Switch
        label={t("form.restarts")}
        description={t("form.restartsHint")}
        checked={form.restarts}
        onChange={(event) => set("restarts", event.currentTarget.checked)}
      />
      <SimpleGrid cols={2} spacing="xs">
        <NumberInput
          label={t("form.costLimit")}
          placeholder={t("form.noLimit")}
          min={0}
          value={form.costLimit ?? ""}
          onChange={(value) => set("costLimit", value === "" ? null : Number(value))}
        />
        <NumberInput
          label={t("form.perPriority")}
          min={0}
          step={0.1}
          value={form.perPriority}
          onChange={(value) => set("perPriority", Number(value))}
        />
        <NumberInput
          label={t("form.moveSeconds")}
          min={0}
          value={form.moveSeconds}
          onChange={(value) => set("moveSeconds", Number(value))}
        />
        <NumberInput
          label={t("form.seconds")}
          min={1}
          max={30}
          value={form.seconds}
          onChange={(value) => set("seconds", Number(value))}
        />
      </SimpleGrid>
      <WeightRows form={form} set={set} known={teams} />
    </Stack>
  );
}

interface TagsProps {
  label: string;
  value: string[];
  data: string[];
  onChange: (value: string[]) => void;
}

function Tags(props: TagsProps) {
  const { t } = useTranslation("mig");
  return (
    <TagsInput
      {...props}
      placeholder={props.value.length === 0 ? t("form.none") : undefined}
      clearable
      limit={50}
      clearButtonProps={{ "aria-label": t("app:action.clear") }}
    />
  );
}
