// A table of as many rows as there are trials: only those in view are in the document.
import type { ComponentChildren } from "preact";
import { type ReadonlySignal, signal, useComputed } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

export interface TableColumn {
  key: string;
  title: string;
  /** Pixels; the column grows from there. */
  width?: number;
  /** How much of the room that is left it takes, by default 2, and 1 of numbers. */
  grow?: number;
  /** Numbers stand at the right. */
  numeric?: boolean;
  cell: (row: number) => ComponentChildren;
  /** What to sort by; NaN, null and undefined come last either way. Without it the column does not sort. */
  by?: (row: number) => number | string | null | undefined;
  /** The same as numbers of single precision, one per row: a hundred thousand of them sort in a few milliseconds. */
  values?: Float32Array;
}

export interface Sort {
  key: string;
  descending: boolean;
}

export interface TableProps {
  columns: readonly TableColumn[];
  /** What is shown, in the order of the unsorted table: rows of the study's columns, or indices of your own. */
  rows: ArrayLike<number>;
  /** Whether `rows`, an Int32Array, are in the order of `sort` already. */
  ordered?: boolean;
  /** What the table is of, for screen readers. */
  label: string;
  height?: number;
  sort?: readonly Sort[];
  /** A click on a title; with shift it comes after the others. */
  onSort?: (sort: Sort[]) => void;
  /** The row of the keyboard's cursor. */
  current?: number;
  /** Lights up without scrolling there. */
  hovered?: ReadonlySignal<number>;
  onCurrent?: (row: number) => void;
  onOpen?: (row: number) => void;
  /** Rows with a mark, such as those to compare. */
  marked?: ReadonlySet<number>;
  onHover?: (row: number) => void;
  /** How many columns stay in sight when the table scrolls sideways; the first ones. */
  pinned?: number;
  name?: string;
}

const ROW = 28;
const SPARE = 6;
const NONE: readonly Sort[] = [];

/** The rows by several columns, missing ones last; the order of equals stays. */
export function sorted(rows: ArrayLike<number>, columns: readonly TableColumn[], sort: readonly Sort[]): Int32Array {
  const found = Int32Array.from(rows);
  const keys = sort.flatMap(({ key, descending }) => {
    const column = columns.find((c) => c.key === key);
    return column?.by ? [{ by: column.by, values: column.values, way: descending ? -1 : 1 }] : [];
  });
  if (keys.length === 0) return found;
  if (keys.length === 1 && keys[0].values && found.length < MOST) return quickly(found, keys[0].values, keys[0].way);
  const read = keys.map(({ by, way }) => ({ values: Array.from(found, by), way }));
  const places = found
    .map((_, i) => i)
    .sort((a, b) => read.reduce((order, { values, way }) => order || compare(values[a], values[b], way), 0) || a - b);
  return places.map((i) => found[i]);
}

const MOST = 2 ** 20;

/** Sorted without calling a comparison: a number's bits and its place make one number each, and typed arrays sort those by themselves. */
function quickly(rows: Int32Array, values: Float32Array, way: number): Int32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const packed = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    const b = bits[row];
    const rank = b >>> 31 ? ~b >>> 0 : (b | 0x80000000) >>> 0;
    packed[i] = (values[row] !== values[row] ? 2 ** 32 : way > 0 ? rank : 2 ** 32 - 1 - rank) * MOST + i;
  }
  packed.sort();
  const found = new Int32Array(rows.length);
  for (let i = 0; i < found.length; i++) found[i] = rows[packed[i] % MOST];
  return found;
}

type Key = number | string | null | undefined;
const gone = (v: Key): boolean => v === null || v === undefined || v !== v;

function compare(a: Key, b: Key, way: number): number {
  if (gone(a) || gone(b)) return Number(gone(a)) - Number(gone(b));
  return (a as number) < (b as number) ? -way : (a as number) > (b as number) ? way : 0;
}

export function Table(props: TableProps) {
  const { columns, rows, label, height = 420, sort = NONE, current = -1, onOpen, onCurrent, onHover } = props;
  const box = useRef<HTMLDivElement>(null as never);
  const [from, setFrom] = useState(0);
  const order = useMemo(
    () => (props.ordered ? (rows as Int32Array) : sorted(rows, columns, sort)),
    [rows, columns, sort, props.ordered],
  );
  const shown = Math.ceil(height / ROW) + 2 * SPARE;
  const first = Math.max(0, Math.min(from - SPARE, order.length - shown));
  useEffect(() => {
    const at = order.indexOf(current);
    if (at < 0) return;
    const top = at * ROW;
    const room = box.current.clientHeight - 2 * ROW;
    if (top < box.current.scrollTop) box.current.scrollTop = top;
    else if (top > box.current.scrollTop + room) box.current.scrollTop = top - room;
  }, [current]);
  useLayoutEffect(() => setFrom(Math.floor((box.current?.scrollTop ?? 0) / ROW)), [order]);
  const widths = columns.map((c) => c.width ?? 90);
  const grid = {
    gridTemplateColumns: columns.map((c, i) => `minmax(${widths[i]}px, ${c.grow ?? (c.numeric ? 1 : 2)}fr)`).join(" "),
    minWidth: `${widths.reduce((a, b) => a + b, 0)}px`,
  };
  const keys = (event: KeyboardEvent) => {
    const at = order.indexOf(current);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 12, PageUp: -12 }[event.key];
    if (event.key === "Enter" && current >= 0) onOpen?.(current);
    else if (step === undefined || order.length === 0) return;
    else onCurrent?.(order[Math.min(order.length - 1, Math.max(0, at + step))]);
    event.preventDefault();
  };
  const head = (event: MouseEvent, { key, by }: TableColumn) => {
    if (!by || !props.onSort) return;
    const now = sort.find((s) => s.key === key);
    const next = { key, descending: now ? !now.descending : false };
    props.onSort(event.shiftKey ? [...sort.filter((s) => s.key !== key), next] : [next]);
  };
  return (
    <div
      class="table"
      role="table"
      aria-label={label}
      aria-rowcount={order.length + 1}
      tabIndex={0}
      ref={box}
      data-table={props.name}
      style={{ maxHeight: `${height}px` }}
      onKeyDown={keys}
      onScroll={() => setFrom(Math.floor(box.current.scrollTop / ROW))}
      onPointerLeave={() => onHover?.(-1)}
    >
      <div class="row head" role="row" aria-rowindex={1} style={grid}>
        {columns.map((c, i) => {
          const by = sort.find((s) => s.key === c.key);
          const arrow = by ? (by.descending ? " ↓" : " ↑") : "";
          return (
            <div
              key={c.key}
              role="columnheader"
              class={`${c.numeric ? "num" : ""} ${pinned(props, i)}`}
              aria-sort={by ? (by.descending ? "descending" : "ascending") : undefined}
            >
              {c.by && props.onSort ? (
                <button
                  type="button"
                  class="link"
                  title={`Sort by ${c.title}; with shift after the others`}
                  onClick={(e) => head(e, c)}
                >
                  {c.title}
                  {arrow}
                </button>
              ) : (
                c.title
              )}
            </div>
          );
        })}
      </div>
      <div class="rows" role="rowgroup" style={{ height: `${order.length * ROW}px` }}>
        {Array.from(order.subarray(first, first + shown), (row, i) => (
          <Row key={row} {...{ row, columns, grid }} at={first + i} table={props} />
        ))}
      </div>
    </div>
  );
}

const NOWHERE = signal(-1);

function Row({
  row,
  at,
  columns,
  grid,
  table,
}: {
  row: number;
  at: number;
  columns: readonly TableColumn[];
  grid: { gridTemplateColumns: string };
  table: TableProps;
}) {
  const hovered = table.hovered ?? NOWHERE;
  const hot = useComputed(() => hovered.value === row).value;
  const classes = `row ${row === table.current ? "current" : ""} ${hot ? "hot" : ""} ${table.marked?.has(row) ? "marked" : ""}`;
  return (
    <div
      role="row"
      aria-rowindex={at + 2}
      style={{ ...grid, transform: `translateY(${at * ROW}px)` }}
      class={classes}
      onClick={() => table.onCurrent?.(row)}
      onDblClick={() => table.onOpen?.(row)}
      onPointerEnter={() => table.onHover?.(row)}
    >
      {columns.map((c, k) => (
        <Cell key={c.key} content={c.cell(row)} class={`${c.numeric ? "num" : ""} ${pinned(table, k)}`} />
      ))}
    </div>
  );
}

const FITS = 12;

/** Only long texts are cut off: each cell that could be is a layer, and hundreds of them make every move of the mouse slow. */
function Cell({ content, class: classes }: { content: ComponentChildren; class: string }) {
  const long = typeof content === "string" && content.length > FITS;
  return (
    <div role="cell" class={long ? `${classes} long` : classes} title={long ? content : undefined}>
      {content}
    </div>
  );
}

const pinned = (table: TableProps, column: number): string => (column < (table.pinned ?? 1) ? "pin" : "");
