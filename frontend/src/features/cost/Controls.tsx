import { Button, CloseButton, Group, Popover, Select, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useUrlStates } from "../../lib/urlState";
import { Icon } from "../../ui/Icon";
import { useFormat } from "../../ui/useFormat";
import { AGGREGATES, type CostQuestion, FILTERS, NOBODY, WINDOWS, windowOfDays } from "./question";

/** Window, aggregate, and the way down so far: each step can be taken back. */
export function Controls({ question }: { question: CostQuestion }) {
  const { t } = useTranslation("cost");
  const [, setSearch] = useUrlStates();
  const isWord = (WINDOWS as readonly string[]).includes(question.window);
  return (
    <Group gap="xs" align="flex-end">
      <Select
        size="xs"
        w={170}
        label={t("window.label")}
        allowDeselect={false}
        data={[
          ...WINDOWS.map((value) => ({ value, label: t(`window.${value}`) })),
          ...(isWord ? [] : [{ value: question.window, label: t("window.own") }]),
        ]}
        value={question.window}
        onChange={(value) => setSearch({ window: value ?? "7d" })}
      />
      <OwnWindow />
      <Select
        size="xs"
        w={170}
        label={t("aggregate")}
        allowDeselect={false}
        data={AGGREGATES.map((value) => ({ value, label: t(`dimension.${value}`) }))}
        value={question.aggregate}
        onChange={(value) => setSearch({ aggregate: value ?? "team" })}
      />
      <Steps question={question} />
    </Group>
  );
}

function Steps({ question }: { question: CostQuestion }) {
  const { t } = useTranslation("cost");
  const [, setSearch] = useUrlStates();
  const steps = FILTERS.filter((name) => name in question.filters);
  if (steps.length === 0) return null;
  const none = Object.fromEntries(steps.map((name) => [name, undefined]));
  return (
    <Group component="nav" gap={4} aria-label={t("steps")}>
      <Button
        size="xs"
        variant="subtle"
        onClick={() => setSearch({ ...none, aggregate: steps[0] })}
      >
        {t("all")}
      </Button>
      {steps.map((name) => (
        <Group key={name} gap={2} wrap="nowrap">
          <Icon name="chevron" size={14} />
          <Button
            size="xs"
            variant="light"
            rightSection={<Icon name="close" size={12} />}
            aria-label={t("stepBack", {
              what: `${t(`dimension.${name}`)} ${question.filters[name]}`,
            })}
            onClick={() => setSearch({ [name]: undefined, aggregate: name })}
          >
            {t(`dimension.${name}`)}:{" "}
            {question.filters[name] === NOBODY ? t("none") : question.filters[name]}
          </Button>
        </Group>
      ))}
    </Group>
  );
}

/** Whole days of one's own choice. */
function OwnWindow() {
  const { t } = useTranslation("cost");
  const { facts } = useFormat();
  const [, setSearch] = useUrlStates();
  const [isOpen, setOpen] = useState(false);
  const [first, setFirst] = useState("");
  const [last, setLast] = useState("");
  const window = windowOfDays(first, last, facts.timeZone);
  return (
    <Popover opened={isOpen} onChange={setOpen} trapFocus withinPortal>
      <Popover.Target>
        <Button size="xs" variant="default" onClick={() => setOpen(!isOpen)}>
          {t("window.choose")}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={t("window.choose")}>
        <Stack gap="xs">
          <CloseButton
            size="sm"
            ml="auto"
            aria-label={t("app:action.close")}
            onClick={() => setOpen(false)}
          />
          <TextInput
            size="xs"
            type="date"
            label={t("window.first")}
            value={first}
            onChange={(event) => setFirst(event.currentTarget.value)}
          />
          <TextInput
            size="xs"
            type="date"
            label={t("window.last")}
            description={t("window.zone", { zone: facts.timeZone })}
            value={last}
            onChange={(event) => setLast(event.currentTarget.value)}
          />
          <Button
            size="xs"
            disabled={window === null}
            onClick={() => {
              setSearch({ window: window ?? undefined });
              setOpen(false);
            }}
          >
            {t("window.show")}
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
