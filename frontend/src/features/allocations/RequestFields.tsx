import {
  MultiSelect,
  NumberInput,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Switch,
  Text,
  TextInput,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useId } from "react";
import { useTranslation } from "react-i18next";
import { Panel } from "../../ui/states";
import { modelsQuery } from "./api";
import { type Field, type Form, KINDS, labelsOf, WORKLOADS } from "./form";

interface FieldsProps {
  form: Form;
  set: <F extends Field>(field: F, value: Form[F]) => void;
  /** What the server found wrong, by the name on the wire. */
  errors: Record<string, string>;
}

/** The fields of a request: who, what, where, until when. */
export function RequestFields(props: FieldsProps) {
  const { t } = useTranslation("allocations");
  return (
    <Stack gap="md">
      <Panel title={t("form.what")}>
        <What {...props} />
      </Panel>
      <Panel title={t("form.who")}>
        <Who {...props} />
      </Panel>
      <Panel title={t("form.bounds")}>
        <Bounds {...props} />
      </Panel>
    </Stack>
  );
}

function What({ form, set, errors }: FieldsProps) {
  const { t } = useTranslation("allocations");
  const models = useQuery(modelsQuery);
  return (
    <Stack gap="sm">
      <Choice
        label={t("form.kind")}
        values={KINDS}
        text={(kind) => t(`kind.${kind}`)}
        value={form.kind}
        onChange={(kind) => set("kind", kind)}
      />
      <Text size="xs" c="dimmed">
        {t(`form.kindHint.${form.kind}`)}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <NumberInput
          label={t("form.memory")}
          description={t("form.memoryHint")}
          min={1}
          max={10_000}
          suffix=" GB"
          required
          value={form.memoryGb}
          error={errors.requiredMemoryGb}
          onChange={(value) => set("memoryGb", Number(value))}
        />
        {form.kind === "share" ? (
          <NumberInput
            label={t("form.milli")}
            description={t("form.milliHint")}
            min={1}
            max={1000}
            step={50}
            value={form.milli}
            error={errors.gpuMilli}
            onChange={(value) => set("milli", Number(value))}
          />
        ) : (
          <NumberInput
            label={t("form.count")}
            description={t("form.countHint")}
            min={1}
            max={64}
            value={form.count}
            error={errors.count}
            onChange={(value) => set("count", Number(value))}
          />
        )}
      </SimpleGrid>
      <MultiSelect
        label={t("form.models")}
        description={t("form.modelsHint")}
        searchable
        clearable
        clearButtonProps={{ "aria-label": t("app:action.clear") }}
        data={(models.data?.rows ?? []).map((one) => ({
          value: one.modelId,
          label: `${one.modelName} · ${one.memoryGb} GB`,
        }))}
        value={form.models}
        error={errors.modelIds}
        onChange={(value) => set("models", value)}
      />
      <Choice
        label={t("form.workload")}
        values={WORKLOADS}
        text={(work) => t(`workload.${work}`)}
        value={form.workload}
        onChange={(work) => set("workload", work)}
      />
    </Stack>
  );
}

function Who({ form, set, errors }: FieldsProps) {
  const { t } = useTranslation("allocations");
  const text = (field: "namespace" | "podName" | "teamId" | "userId", required = false) => (
    <TextInput
      label={t(`form.${field}`)}
      description={t(`form.${field}Hint`)}
      required={required}
      value={form[field]}
      error={errors[field]}
      onChange={(event) => set(field, event.currentTarget.value)}
    />
  );
  return (
    <SimpleGrid cols={{ base: 1, xs: 2 }}>
      {text("namespace", true)}
      {text("podName", true)}
      {text("teamId")}
      {text("userId")}
    </SimpleGrid>
  );
}

function Bounds({ form, set, errors }: FieldsProps) {
  const { t } = useTranslation("allocations");
  return (
    <Stack gap="sm">
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <NumberInput
          label={t("form.hours")}
          description={t("form.hoursHint")}
          min={0}
          max={168}
          value={form.hours || ""}
          error={errors.maxDurationHours}
          onChange={(value) => set("hours", Number(value))}
        />
        <NumberInput
          label={t("form.costLimit")}
          description={t("form.costLimitHint")}
          min={0}
          value={form.costLimit || ""}
          error={errors.costLimit}
          onChange={(value) => set("costLimit", Number(value))}
        />
        <NumberInput
          label={t("form.cpuCores")}
          min={0}
          value={form.cpuCores || ""}
          error={errors.cpuMilli}
          onChange={(value) => set("cpuCores", Number(value))}
        />
        <NumberInput
          label={t("form.hostMemoryGib")}
          min={0}
          value={form.hostMemoryGib || ""}
          error={errors.memoryMib}
          onChange={(value) => set("hostMemoryGib", Number(value))}
        />
        <NumberInput
          label={t("form.priority")}
          description={t("form.priorityHint")}
          min={-1000}
          max={1000}
          value={form.priority}
          error={errors.priority}
          onChange={(value) => set("priority", Number(value))}
        />
        <TextInput
          label={t("form.labels")}
          description={t("form.labelsHint")}
          value={form.labels}
          error={labelsOf(form.labels) === null ? t("form.labelsWrong") : errors.nodeSelector}
          onChange={(event) => set("labels", event.currentTarget.value)}
        />
      </SimpleGrid>
      <Switch
        label={t("form.wait")}
        description={t("form.waitHint")}
        checked={form.wait}
        onChange={(event) => set("wait", event.currentTarget.checked)}
      />
    </Stack>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  values: readonly T[];
  text: (value: T) => string;
  value: T;
  onChange: (value: T) => void;
}

function Choice<T extends string>({ label, values, text, value, onChange }: ChoiceProps<T>) {
  const id = useId();
  return (
    <div>
      <Text size="sm" fw={500} id={id} mb={4}>
        {label}
      </Text>
      <SegmentedControl
        fullWidth
        aria-labelledby={id}
        data={values.map((one) => ({ value: one, label: text(one) }))}
        value={value}
        onChange={(chosen) => onChange(chosen as T)}
      />
    </div>
  );
}
