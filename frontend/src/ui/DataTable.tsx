import { Group, ScrollArea, Stack, Text } from "@mantine/core";
import {
  columnVisibilityFeature,
  flexRender,
  tableFeatures,
  useTable,
} from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, type ReactNode, useMemo, useRef } from "react";
import { useTranslation } from "react-i18next";
import { Empty } from "./states";
import { TableTools } from "./TableTools";
import { type Column, matching, sorted } from "./tableRows";
import { useTableState } from "./tableState";
import { useFormat } from "./useFormat";

const features = tableFeatures({ columnVisibilityFeature });
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
  const scroller = useRef<HTMLDivElement>(null);
  const isVirtual = shown.length > VIRTUAL_FROM;
  const definitions = useMemo(
    () =>
      columns.map((column) => ({
        id: column.id,
        accessorFn: (row: Row) => column.value?.(row) ?? null,
        header: column.header,
        cell: (info: { row: { original: Row } }) =>
          column.cell ? column.cell(info.row.original) : textOf(column.value?.(info.row.original)),
      })),
    [columns],
  );
  const columnVisibility = useMemo(
    () => visibility(columns, state.columns),
    [columns, state.columns],
  );
  const table = useTable({
    features,
    data: shown,
    columns: definitions as never,
    getRowId: (row: unknown) => rowKey(row as Row),
    state: { columnVisibility },
  } as never) as unknown as AnyTable;
  const virtual = useVirtualizer({
    count: shown.length,
    enabled: isVirtual,
    estimateSize: () => ROW_PX,
    getScrollElement: () => scroller.current,
    overscan: 12,
  });
  const all = table.getRowModel().rows;
  const window = isVirtual ? virtual.getVirtualItems() : null;
  const rows = window ? window.map((item) => all[item.index]) : all;
  const before = window?.[0]?.start ?? 0;
  const after = window ? virtual.getTotalSize() - (window.at(-1)?.end ?? 0) : 0;
  const byId = useMemo(() => new Map(columns.map((column) => [column.id, column])), [columns]);
  return (
    <ScrollArea.Autosize
      viewportRef={scroller}
      mah={maxHeight ?? (isVirtual ? "70vh" : undefined)}
      type="auto"
      viewportProps={{ tabIndex: 0, role: "region", "aria-label": label }}
    >
      <table className="rows" aria-label={label} aria-rowcount={(more?.total ?? shown.length) + 1}>
        <thead>
          <tr>
            {table.getHeaderGroups().flatMap((group) =>
              group.headers.map((header) => {
                const column = byId.get(header.column.id);
                return column ? (
                  <HeaderCell key={header.id} column={column} sort={sort} onSort={state.setSort} />
                ) : null;
              }),
            )}
          </tr>
        </thead>
        <tbody>
          {before > 0 && <tr style={{ height: before }} />}
          {rows.map((row) =>
            row ? <TableRow key={row.id} row={row} byId={byId} shown={columnVisibility} /> : null,
          )}
          {after > 0 && <tr style={{ height: after }} />}
        </tbody>
      </table>
    </ScrollArea.Autosize>
  );
}

/** What we use of a table; its own type is built from features we do not vary. */
interface AnyTable {
  getHeaderGroups(): { headers: { id: string; column: { id: string } }[] }[];
  getRowModel(): { rows: AnyTableRow[] };
}

interface AnyTableRow {
  id: string;
  index: number;
  getVisibleCells(): {
    id: string;
    column: { id: string; columnDef: { cell?: unknown } };
    getContext(): unknown;
  }[];
}

interface TableRowProps {
  row: AnyTableRow;
  byId: Map<string, Pick<Column<never>, "align">>;
  /** Which columns are shown: another choice draws the row anew. */
  shown: Record<string, boolean>;
}

/** A row is drawn once: while people scroll, only those that come into sight are. */
const TableRow = memo(function TableRow({ row, byId }: TableRowProps) {
  return (
    <tr aria-rowindex={row.index + 2}>
      {row.getVisibleCells().map((cell) => (
        <td key={cell.id} data-align={byId.get(cell.column.id)?.align}>
          {flexRender(cell.column.columnDef.cell as never, cell.getContext() as never)}
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

function visibility<Row>(columns: Column<Row>[], chosen: string[] | null): Record<string, boolean> {
  return Object.fromEntries(
    columns.map((column) => [column.id, chosen ? chosen.includes(column.id) : !column.hidden]),
  );
}

function textOf(value: unknown): string {
  return value == null || value === "" ? "–" : String(value);
}
