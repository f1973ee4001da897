// The trials of the open study as a table: number, state, objectives, parameters, how long they took. Those selected, best first.
import { useMemo } from "preact/hooks";
import { StateMark } from "../components/parts.js";
import { Later } from "../components/Later.js";
import { type Sort, sorted, Table, type TableColumn } from "../components/Table.js";
import { visible } from "../format.js";
import { useKeys } from "../keys.js";
import { orderAsText, orderOfText } from "../order.js";
import type { Column } from "../protocol.js";
import { href, route, setQuery } from "../router.js";
import { numbers, selection } from "../selection.js";
import { columns, hover, study } from "../store.js";
import { tell } from "./axes.js";
import { Compared, compares, mark, marked } from "./Marked.js";

const KINDS: readonly Column["kind"][] = [
  "value",
  "metric",
  "violation",
  "param",
  "seconds",
  "started",
  "step",
  "attempt",
  "parent",
  "worker",
  "failure",
];

/** A column of the table for a column of the trials. */
export function tableColumn(column: Column): TableColumn {
  const values = numbers(column);
  const title = visible(column.name);
  const width = Math.min(180, Math.max(84, 36 + 7 * title.length));
  return {
    key: column.key,
    title,
    numeric: !column.options,
    width,
    cell: (row) => tell(column, row),
    by: (row) => values[row],
    values,
  };
}

/** Where a trial is told all about; what is selected stays. */
function addressOf(trial: number): string {
  const { study: id, query } = route.peek();
  return href("trials", id, { ...Object.fromEntries(query), trial: String(trial), at: String(trial) });
}

export function trialColumns(all: readonly Column[]): TableColumn[] {
  const state = all.find((c) => c.kind === "state");
  const fixed: TableColumn[] = [
    {
      key: "number",
      title: "trial",
      numeric: true,
      width: 64,
      cell: (row) => <a href={addressOf(row)}>{row}</a>,
      by: (row) => row,
    },
  ];
  if (state)
    fixed.push({
      key: "state",
      title: "state",
      width: 100,
      cell: (row) => <StateMark state={state.data[row]} words />,
      by: (row) => state.data[row],
    });
  const rest = KINDS.flatMap((kind) => all.filter((c) => c.kind === kind));
  return [...fixed, ...rest.map(tableColumn)];
}

/** Of rows in any order those that are selected. */
export function useSelected(rows: Int32Array): Int32Array {
  const { mask } = selection.value;
  return useMemo(() => (mask ? rows.filter((row) => mask[row] === 1) : rows), [rows, mask]);
}

/** All rows that are selected, in the order of the trials. */
export function useSelectedRows(): Int32Array {
  const count = columns.value?.count ?? 0;
  return useSelected(useMemo(() => new Int32Array(count).map((_, i) => i), [count]));
}

/** The order that the address asks for; without one the best are first. */
function useSort(all: readonly Column[]): [readonly Sort[], (sort: Sort[]) => void] {
  const text = route.value.query.get("sort");
  const first = all.find((c) => c.kind === "value");
  const goal = study.value?.problem.objectives[0];
  const sort = useMemo(() => {
    if (text !== null) return orderOfText(text);
    return first ? [{ key: first.key, descending: goal?.direction === "maximize" }] : [];
  }, [text, first?.key, goal?.direction]);
  return [sort, (next) => setQuery({ sort: orderAsText(next) })];
}

export interface AllTrialsProps {
  height?: number;
  /** Which columns, by their keys; by default all. */
  shown?: ReadonlySet<string>;
  onOpen?: (trial: number) => void;
}

export function AllTrials({ height = 420, shown, onOpen }: AllTrialsProps) {
  const all = columns.value;
  const count = all?.count ?? 0;
  const [sort, setSort] = useSort(all?.columns ?? []);
  const here = useMemo(() => trialColumns(all?.columns ?? []).filter((c) => !shown || shown.has(c.key)), [all, shown]);
  const order = useMemo(
    () =>
      once(() =>
        sorted(
          new Int32Array(count).map((_, i) => i),
          trialColumns(all?.columns ?? []),
          sort,
        ),
      ),
    [all, sort],
  );
  const current = Number(route.value.query.get("at") ?? -1);
  const step = (by: number) => () => {
    const rows = chosen(order());
    if (rows.length > 0) goTo(rows[Math.min(rows.length - 1, Math.max(0, rows.indexOf(current) + by))]);
  };
  useKeys([
    { key: "j", does: "the next trial", run: step(1) },
    { key: "k", does: "the trial before", run: step(-1) },
    { key: "Enter", does: "open the trial", run: () => current >= 0 && onOpen?.(current) },
    { key: "x", does: "mark the trial", run: () => current >= 0 && mark(current) },
    { key: "c", does: "compare the marked trials", run: () => (compares.value = marked.peek().size > 0) },
    { key: "b", does: "go to the best trial", run: () => goTo(study.peek()?.summary.best ?? chosen(order())[0] ?? -1) },
  ]);
  if (count === 0) return <p class="empty">No trial yet.</p>;
  return (
    <>
      <Later height={height}>
        {() => <Rows {...{ columns: here, order: order(), height, sort, setSort, current, onOpen }} />}
      </Later>
      {compares.value && <Compared onClose={() => (compares.value = false)} />}
    </>
  );
}

const goTo = (row: number): void => {
  hover.value = row;
  setQuery({ at: String(row) });
};

/** Of rows in any order those that are selected now. */
const chosen = (rows: Int32Array): Int32Array => {
  const { mask } = selection.peek();
  return mask ? rows.filter((row) => mask[row] === 1) : rows;
};

/** A function that works its answer out when it is first asked. */
function once<T>(work: () => T): () => T {
  let known: { answer: T } | null = null;
  return () => (known ??= { answer: work() }).answer;
}

interface RowsProps {
  columns: readonly TableColumn[];
  order: Int32Array;
  height: number;
  sort: readonly Sort[];
  setSort: (sort: Sort[]) => void;
  current: number;
  onOpen?: (trial: number) => void;
}

function Rows({ columns, order, height, sort, setSort, current, onOpen }: RowsProps) {
  const rows = useSelected(order);
  if (rows.length === 0) return <p class="empty">No trial is selected.</p>;
  return (
    <Table
      name="trials"
      label="Trials"
      columns={columns}
      rows={rows}
      ordered
      height={height}
      sort={sort}
      onSort={setSort}
      marked={marked.value}
      current={current}
      onCurrent={goTo}
      hovered={hover}
      onHover={(row) => (hover.value = row)}
      onOpen={onOpen}
    />
  );
}
