import {
  ActionIcon,
  Autocomplete,
  Button,
  Group,
  NumberInput,
  Stack,
  TextInput,
} from "@mantine/core";
import { type ReactNode, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../../ui/Icon";
import {
  type Field,
  type Form,
  type NodeWindow,
  type Weight,
  weightFault,
  windowFault,
} from "./planForm";
import "./planRows.css";

interface RowsProps {
  form: Form;
  set: <F extends Field>(field: F, value: Form[F]) => void;
  /** Names to choose from. */
  known: string[];
}

/** What moving a team's slices costs. */
export function WeightRows({ form, set, known }: RowsProps) {
  const { t } = useTranslation("mig");
  const rows = form.weights;
  const change = (at: number, part: Partial<Weight>) =>
    set(
      "weights",
      rows.map((row, index) => (index === at ? { ...row, ...part } : row)),
    );
  return (
    <Rows
      title={t("form.weights")}
      hint={t("form.weightsHint")}
      addText={t("form.addWeight")}
      onAdd={() => set("weights", [...rows, { team: "", weight: 2 }])}
    >
      {rows.map((row, at) => {
        const fault = weightFault(row, rows);
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows are known by their place
          <Group key={at} gap="xs" align="flex-start" wrap="nowrap">
            <Autocomplete
              style={{ flex: 1 }}
              label={t("form.weightTeam")}
              value={row.team}
              data={known}
              error={fault && t(`form.fault.${fault}`)}
              onChange={(team) => change(at, { team: plain(team) })}
            />
            <NumberInput
              w={90}
              label={t("form.weight")}
              min={0}
              step={0.5}
              value={row.weight}
              onChange={(value) => change(at, { weight: Number(value) })}
            />
            <Remove
              label={t("form.removeWeight", { team: row.team })}
              onClick={() => set("weights", without(rows, at))}
            />
          </Group>
        );
      })}
    </Rows>
  );
}

/** When nodes may be touched. */
export function WindowRows({ form, set, known }: RowsProps) {
  const { t } = useTranslation("mig");
  const rows = form.windows;
  const zone = useMemo(() => Intl.DateTimeFormat().resolvedOptions().timeZone, []);
  const change = (at: number, part: Partial<NodeWindow>) =>
    set(
      "windows",
      rows.map((row, index) => (index === at ? { ...row, ...part } : row)),
    );
  return (
    <Rows
      title={t("form.windows")}
      hint={t("form.windowsHint", { zone })}
      addText={t("form.addWindow")}
      onAdd={() => set("windows", [...rows, { node: "", from: "", to: "" }])}
    >
      {rows.map((row, at) => {
        const fault = windowFault(row);
        const moment = (name: "from" | "to", isWrong: boolean) => (
          <TextInput
            type="datetime-local"
            label={t(`form.window.${name}`)}
            value={row[name]}
            error={isWrong && fault ? t(`form.fault.${fault}`) : undefined}
            onChange={(event) => change(at, { [name]: event.currentTarget.value })}
          />
        );
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: rows are known by their place
          <Stack key={at} gap={4} className="plan-window">
            <Group gap="xs" align="flex-start" wrap="nowrap">
              <Autocomplete
                style={{ flex: 1 }}
                label={t("form.window.node")}
                value={row.node}
                data={known}
                limit={50}
                error={fault === "node" && t("form.fault.node")}
                onChange={(node) => change(at, { node: plain(node) })}
              />
              <Remove
                label={t("form.removeWindow", { node: row.node })}
                onClick={() => set("windows", without(rows, at))}
              />
            </Group>
            {moment("from", fault === "moments" && row.from === "")}
            {moment("to", fault === "order" || (fault === "moments" && row.to === ""))}
          </Stack>
        );
      })}
    </Rows>
  );
}

interface FrameProps {
  title: string;
  hint: string;
  addText: string;
  onAdd: () => void;
  children: ReactNode;
}

function Rows({ title, hint, addText, onAdd, children }: FrameProps) {
  return (
    <fieldset className="plan-rows">
      <legend>{title}</legend>
      <p>{hint}</p>
      <Stack gap="sm">{children}</Stack>
      <Button
        mt="xs"
        size="compact-xs"
        variant="default"
        leftSection={<Icon name="plus" size={13} />}
        onClick={onAdd}
      >
        {addText}
      </Button>
    </fieldset>
  );
}

function Remove({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <ActionIcon mt={26} variant="subtle" color="gray" aria-label={label} onClick={onClick}>
      <Icon name="close" size={16} />
    </ActionIcon>
  );
}

function without<Row>(rows: readonly Row[], at: number): Row[] {
  return rows.filter((_, index) => index !== at);
}

/** Signs that part rows in the address are no part of a name. */
function plain(name: string): string {
  return name.replace(/[,@]/g, "");
}
