import { Group, Stack, Text } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type ReactNode, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Empty } from "./states";
import { TableTools } from "./TableTools";
import { type Column, matching, sorted } from "./tableRows";
import { useTableState } from "./tableState";
import { useFormat } from "./useFormat";

const ROW_PX = 41;
const VIRTUAL_FROM = 80;

export interface DataTableProps<Row> {
  /** Part of the names in the address; empty for the only table of a page. */
  name?: string;
  /** What the rows are, for people who hear the page. */
  label: string;
  rows: readonly Row[];
  columns: Column<Row>[];
  rowKey: (row: Row) => string;
  /** Order when the address names none. */
  sort?: string;
  /** Address of the same rows as CSV. */
  csvHref?: string;
  empty?: ReactNode;
  /** The server has sorted and filtered already; the page reads `useTableState(name)`. */
  isServerSide?: boolean;
  /** More pages of a long list. */
  more?: { has: boolean; isLoading: boolean; load: () => void; total: number };
  maxHeight?: number | string;
  /** Controls of the page's own, beside the search. */
  tools?: ReactNode;
}

/** A table that sorts, filters, chooses columns, exports, and keeps its state in the address. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const { name = "", rows, columns, empty, isServerSide, more } = props;
  const { t } = useTranslation("app");
  const format = useFormat();
  const state = useTableState(name);
  const sort = state.sort || props.sort || "";
  const shown = useMemo(() => {
    if (isServerSide) return [...rows];
    return sorted(matching(rows, columns, state), columns, sort, format.facts.locale);
  }, [rows, columns, state, sort, isServerSide, format.facts.locale]);
  const isFiltered = state.search !== "" || Object.keys(state.filters).length > 0;
  if (rows.length === 0 && !isFiltered && empty) return empty;
  const total = more?.total ?? rows.length;
  const counted = isFiltered && !isServerSide ? shown.length : total;
  return (
    <Stack gap="xs">
      <TableTools {...props} state={state} tools={props.tools} />
      {shown.length === 0 ? (
        <Empty title={t("table.nothing")} hint={t("table.nothingHint")} icon="search" />
      ) : (
        <Grid {...props} shown={shown} sort={sort} state={state} />
      )}
      <Group justify="space-between">
        <Text size="xs" c="dimmed" role="status">
          {t("table.count", { count: counted, shown: format.number(counted) })}
        </Text>
        {more?.has && (
          <button type="button" className="quiet" disabled={more.isLoading} onClick={more.load}>
            {more.isLoading ? t("state.loading") : t("table.more")}
          </button>
        )}
      </Group>
    </Stack>
  );
}

interface GridProps<Row> extends DataTableProps<Row> {
  shown: Row[];
  sort: string;
  state: ReturnType<typeof useTableState>;
}

function Grid<Row>({
  label,
  shown,
  columns,
  rowKey,
  sort,
  state,
  maxHeight,
  more,
}: GridProps<Row>) {
  const scroller = useRef<HTMLElement>(null);
  const isVirtual = shown.length > VIRTUAL_FROM;
  const visible = useMemo(() => visibleOf(columns, state.columns), [columns, state.columns]);
  const virtual = useVirtualizer({
    count: shown.length,
    enabled: isVirtual,
    estimateSize: () => ROW_PX,
    getScrollElement: () => scroller.current,
    overscan: 12,
  });
  const window = isVirtual ? virtual.getVirtualItems() : null;
  const places = window ? window.map((item) => item.index) : shown.map((_, index) => index);
  const before = window?.[0]?.start ?? 0;
  const after = window ? virtual.getTotalSize() - (window.at(-1)?.end ?? 0) : 0;
  return (
    <section
      ref={scroller}
      className="rows-box"
      style={{ maxHeight: maxHeight ?? (isVirtual ? "70vh" : undefined) }}
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse must be able to scroll
      tabIndex={0}
    >
      <table className="rows" aria-label={label} aria-rowcount={(more?.total ?? shown.length) + 1}>
        <thead>
          <tr>
            {visible.map((column) => (
              <HeaderCell key={column.id} column={column} sort={sort} onSort={state.setSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <tr style={{ height: before }} />}
          {places.map((index) => {
            const row = shown[index] as Row;
            return (
              <TableRow key={rowKey(row)} row={row} index={index} columns={visible as never} />
            );
          })}
          {after > 0 && <tr style={{ height: after }} />}
        </tbody>
      </table>
    </section>
  );
}

interface TableRowProps {
  row: unknown;
  index: number;
  columns: Column<unknown>[];
}

/** A row is drawn once: while people scroll, only those that come into sight are. */
const TableRow = memo(function TableRow({ row, index, columns }: TableRowProps) {
  return (
    <tr aria-rowindex={index + 2}>
      {columns.map((column) => (
        <td key={column.id} data-align={column.align}>
          {column.cell ? column.cell(row) : textOf(column.value?.(row))}
        </td>
      ))}
    </tr>
  );
});

interface HeaderCellProps<Row> {
  column: Column<Row>;
  sort: string;
  onSort: (sort: string) => void;
}

function HeaderCell<Row>({ column, sort, onSort }: HeaderCellProps<Row>) {
  const isUp = sort === column.id;
  const isDown = sort === `-${column.id}`;
  const order = isUp ? "ascending" : isDown ? "descending" : undefined;
  const next = isUp ? `-${column.id}` : isDown ? "" : column.id;
  return (
    <th scope="col" data-align={column.align} aria-sort={order} style={{ minWidth: column.width }}>
      {column.sortable === false || !column.value ? (
        column.header
      ) : (
        <button type="button" onClick={() => onSort(next)}>
          {column.header}
          <span aria-hidden="true">{isUp ? " ↑" : isDown ? " ↓" : ""}</span>
        </button>
      )}
    </th>
  );
}

function visibleOf<Row>(columns: Column<Row>[], chosen: string[] | null): Column<Row>[] {
  return columns.filter((column) => (chosen ? chosen.includes(column.id) : !column.hidden));
}

function textOf(value: unknown): string {
  return value == null || value === "" ? "–" : String(value);
}
