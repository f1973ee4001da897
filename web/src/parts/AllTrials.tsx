// The trials of the open study as a table: number, state, objectives, parameters, how long they took.
import { useMemo, useState } from "preact/hooks";
import { StateMark } from "../components/parts.js";
import { Table, type TableColumn, type Sort } from "../components/Table.js";
import { visible } from "../format.js";
import type { Column } from "../protocol.js";
import { numbers, selection } from "../selection.js";
import { columns, hover } from "../store.js";
import { tell } from "./axes.js";

const FIRST = ["value", "metric", "violation", "param", "seconds"];

/** A column of the table for a column of the trials. */
export function tableColumn(column: Column): TableColumn {
  const values = numbers(column);
  const title = visible(column.name);
  const width = Math.min(180, Math.max(84, 36 + 7 * title.length));
  return { key: column.key, title, numeric: !column.options, width, cell: (row) => tell(column, row), by: (row) => values[row] };
}

export function trialColumns(all: readonly Column[]): TableColumn[] {
  const state = all.find((c) => c.kind === "state");
  const fixed: TableColumn[] = [{ key: "number", title: "trial", numeric: true, width: 64, cell: (row) => row, by: (row) => row }];
  if (state) fixed.push({ key: "state", title: "state", width: 100, cell: (row) => <StateMark state={state.data[row]} words />, by: (row) => state.data[row] });
  const rest = FIRST.flatMap((kind) => all.filter((c) => c.kind === kind));
  return [...fixed, ...rest.map(tableColumn)];
}

/** The rows that are selected; all where nothing restricts. */
export function useSelectedRows(): Int32Array {
  const count = columns.value?.count ?? 0;
  const { mask, count: chosen } = selection.value;
  return useMemo(() => {
    const rows = new Int32Array(mask ? chosen : count);
    let k = 0;
    for (let i = 0; i < count; i++) if (!mask || mask[i] === 1) rows[k++] = i;
    return rows;
  }, [mask, chosen, count]);
}

export function AllTrials({ height = 420, onOpen }: { height?: number; onOpen?: (trial: number) => void }) {
  const all = columns.value;
  const [sort, setSort] = useState<Sort[]>([]);
  const rows = useSelectedRows();
  const shown = useMemo(() => trialColumns(all?.columns ?? []), [all]);
  if (all === null || all.count === 0) return <p class="empty">No trial yet.</p>;
  return (
    <Table name="trials" label="Trials" columns={shown} rows={rows} height={height} sort={sort} onSort={setSort}
      current={hover.value} onCurrent={(row) => (hover.value = row)} onHover={(row) => (hover.value = row)} onOpen={onOpen} />
  );
}
