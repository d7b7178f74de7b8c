import {
  Button,
  Checkbox,
  CloseButton,
  Group,
  Popover,
  Select,
  Stack,
  TextInput,
} from "@mantine/core";
import { useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import type { DataTableProps } from "./DataTable";
import { Icon } from "./Icon";
import { type Column, valuesOf } from "./tableRows";
import type { useTableState } from "./tableState";

/** Rows are sought when people pause, not at every letter. */
const TYPING_MS = 150;

type ToolsProps<Row> = DataTableProps<Row> & { state: ReturnType<typeof useTableState> };

/** What stands above a table: search, filters, columns, CSV. */
export function TableTools<Row>({ rows, columns, state, csvHref, label, tools }: ToolsProps<Row>) {
  const { t } = useTranslation("app");
  return (
    <Group gap="xs" align="flex-end">
      <SearchField label={t("table.search", { what: label })} state={state} />
      {columns
        .filter((column) => column.filter)
        .map((column) => (
          <FilterField key={column.id} rows={rows} column={column} state={state} />
        ))}
      {tools}
      <Group gap="xs" ml="auto">
        <ColumnChoice columns={columns} state={state} />
        {csvHref && (
          <Button
            component="a"
            href={csvHref}
            download
            size="xs"
            variant="default"
            leftSection={<Icon name="download" size={14} />}
          >
            CSV
          </Button>
        )}
      </Group>
    </Group>
  );
}

interface FilterProps<Row> extends Pick<ToolsProps<Row>, "rows" | "state"> {
  column: Column<Row>;
}

function FilterField<Row>({ rows, column, state }: FilterProps<Row>) {
  const { t } = useTranslation("app");
  const options = useMemo(() => optionsOf(rows, column), [rows, column]);
  return (
    <Select
      size="xs"
      w={150}
      clearable
      searchable
      label={column.header}
      placeholder={t("table.all")}
      data={options}
      value={state.filters[column.id] ?? null}
      onChange={(value) => state.setFilter(column.id, value)}
      clearButtonProps={{ "aria-label": t("action.clear") }}
    />
  );
}

function optionsOf<Row>(rows: readonly Row[], column: Column<Row>) {
  if (Array.isArray(column.filter)) return column.filter;
  return valuesOf(rows, column).map((value) => ({ label: value, value }));
}

function SearchField({ label, state }: { label: string; state: ToolsProps<never>["state"] }) {
  const { t } = useTranslation("app");
  const [text, setText] = useState(state.search);
  const waiting = useRef<number>(undefined);
  useEffect(() => {
    // Who still types is ahead of the address.
    if (waiting.current === undefined) setText(state.search);
  }, [state.search]);
  useEffect(() => () => window.clearTimeout(waiting.current), []);
  const keep = (value: string) => {
    setText(value);
    window.clearTimeout(waiting.current);
    waiting.current = window.setTimeout(() => {
      waiting.current = undefined;
      state.setSearch(value);
    }, TYPING_MS);
  };
  return (
    <TextInput
      size="xs"
      w={{ base: "100%", xs: 220 }}
      aria-label={label}
      placeholder={t("table.searchShort")}
      value={text}
      onChange={(event) => keep(event.currentTarget.value)}
      leftSection={<Icon name="search" size={14} />}
      rightSection={
        text ? (
          <CloseButton size="xs" aria-label={t("action.clear")} onClick={() => keep("")} />
        ) : null
      }
    />
  );
}

function ColumnChoice<Row>({ columns, state }: Pick<ToolsProps<Row>, "columns" | "state">) {
  const { t } = useTranslation("app");
  const shown = state.columns ?? columns.filter((one) => !one.hidden).map((one) => one.id);
  const toggle = (id: string) => {
    const changed = shown.includes(id) ? shown.filter((one) => one !== id) : [...shown, id];
    const kept = columns.map((one) => one.id).filter((one) => changed.includes(one));
    if (kept.length > 0) state.setColumns(kept);
  };
  return (
    <Popover position="bottom-end" withinPortal trapFocus>
      <Popover.Target>
        <Button size="xs" variant="default" leftSection={<Icon name="columns" size={14} />}>
          {t("table.columns")}
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label={t("table.columns")}>
        <Stack gap={6}>
          {columns.map((column) => (
            <Checkbox
              key={column.id}
              size="xs"
              label={column.header}
              checked={shown.includes(column.id)}
              onChange={() => toggle(column.id)}
            />
          ))}
          <button type="button" className="quiet" onClick={() => state.setColumns(null)}>
            {t("table.reset")}
          </button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}
