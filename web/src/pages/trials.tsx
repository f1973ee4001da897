// All trials in a table, and one of them in a drawer.
import { useMemo } from "preact/hooks";
import { isStatic } from "../api.js";
import { Drawer } from "../components/parts.js";
import { sorted, Table, type TableColumn } from "../components/Table.js";
import { count, plural } from "../format.js";
import { useKeys } from "../keys.js";
import { orderAsText, orderOfText } from "../order.js";
import { tableColumn, trialColumns, useSelectedRows } from "../parts/AllTrials.js";
import { Trial } from "../parts/Trial.js";
import type { Column, Columns } from "../protocol.js";
import { href, route, setQuery } from "../router.js";
import type { Declared } from "../space.js";
import { columns, hover, study } from "../store.js";
import type { Objective, Study } from "../types.js";

export default function Trials() {
  const [now, all] = [study.value, columns.value];
  if (now === null || all === null) return null;
  if (all.count === 0) return <p class="lonely">No trial yet. The first one appears here when a worker begins it.</p>;
  return <div class="page"><Listed study={now} all={all} /></div>;
}

function Listed({ study: now, all }: { study: Study; all: Columns }) {
  const { query } = route.value;
  const open = numberOf(query.get("trial"), all.count);
  const order = query.get("sort") ?? bestFirst(now.summary.objectives);
  const sort = useMemo(() => orderOfText(order), [order]);
  const every = useMemo(() => [NUMBER, ...trialColumns(all.columns).slice(1), ...all.columns.filter(({ kind }) => OTHERS.includes(kind)).map(tableColumn)], [all]);
  const chosen = query.get("columns");
  const shown = useMemo(() => (chosen === null ? usual(every, all.columns) : every.filter(({ key }) => keysOf(chosen).includes(key))), [every, chosen]);
  const rows = useSelectedRows();
  const current = open ?? hover.value;
  const move = (by: number) => {
    const listed = sorted(rows, every, sort);
    const next = listed[Math.min(listed.length - 1, Math.max(0, listed.indexOf(current) + by))];
    hover.value = next;
    if (open !== null) show(next);
  };
  useKeys([
    { key: "j", does: "the next trial", run: () => move(1) },
    { key: "k", does: "the trial before", run: () => move(-1) },
    { key: "Enter", does: "open the trial", run: () => current >= 0 && show(current) },
    { key: "b", does: "the best trial", run: () => now.summary.best !== null && show(now.summary.best) },
  ]);
  return (
    <>
      <div class="toolbar wide">
        <span class="note" role="status">{rows.length < all.count ? `${count(rows.length)} of ${plural(all.count, "trial")}` : plural(all.count, "trial")}</span>
        <span class="spring" />
        {!isStatic && <span class="note">save as <a href={`api/v1/studies/${now.id}/export?format=csv`} download>CSV</a> or <a href={`api/v1/studies/${now.id}/export?format=jsonl`} download>JSON lines</a></span>}
        <Chooser every={every} shown={shown} />
      </div>
      <div class="wide">
        <Table name="trials" label="Trials" columns={shown} rows={rows} sort={sort} height={Math.max(260, innerHeight - 170)} current={current}
          onSort={(next) => setQuery({ sort: orderAsText(next) })} onCurrent={(row) => (open === null ? (hover.value = row) : show(row))} onOpen={show} onHover={(row) => (hover.value = row)} />
      </div>
      {open !== null && (
        <Drawer title={`Trial ${open}`} onClose={() => setQuery({ trial: null })}>
          <Trial key={open} study={now.id} number={open} space={now.problem.space as Declared[]} />
        </Drawer>
      )}
    </>
  );
}

/** The trial's number leads to it. */
const NUMBER: TableColumn = {
  key: "number", title: "trial", width: 72, numeric: true, by: (row) => row,
  cell: (row) => <a href={here(row)} onClick={(e) => (e.preventDefault(), show(row))}>{row}</a>,
};

function here(trial: number): string {
  const { page, study: id, query } = route.peek();
  return href(page, id, { ...Object.fromEntries(query), trial: String(trial) });
}

const show = (trial: number): void => setQuery({ trial: String(trial) });

function numberOf(text: string | null, trials: number): number | null {
  return text !== null && /^\d+$/.test(text) && Number(text) < trials ? Number(text) : null;
}

function bestFirst(objectives: readonly Objective[]): string {
  if (objectives.length !== 1) return "";
  const [{ name, direction }] = objectives;
  return orderAsText([{ key: `value:${name}`, descending: direction === "maximize" }]);
}

// -- which columns --------------------------------------------------------------------------------------------------------

/** Kinds of columns that are there to be chosen. */
const OTHERS: readonly Column["kind"][] = ["started", "step", "attempt", "parent", "worker", "failure"];
const MOST_PARAMETERS = 8;

const keysOf = (text: string): string[] => text.split(",").map(decodeURIComponent);
const keysAsText = (keys: readonly string[]): string => keys.map(encodeURIComponent).join(",");

/** What is shown until other columns are chosen: the first parameters, and how trials failed where some did. */
function usual(every: readonly TableColumn[], all: readonly Column[]): TableColumn[] {
  const parameters = all.filter(({ kind }) => kind === "param").slice(MOST_PARAMETERS);
  const isClean = (all.find(({ kind }) => kind === "failure")?.options?.length ?? 0) < 2;
  const hidden = new Set([...parameters.map(({ key }) => key), ...OTHERS.filter((kind) => kind !== "failure" || isClean)]);
  return every.filter(({ key }) => !hidden.has(key));
}

function Chooser({ every, shown }: { every: readonly TableColumn[]; shown: readonly TableColumn[] }) {
  const keys = shown.map(({ key }) => key);
  const choose = (key: string, isOn: boolean) =>
    setQuery({ columns: keysAsText(every.map((each) => each.key).filter((each) => (each === key ? isOn : keys.includes(each)))) });
  return (
    <details class="chooser">
      <summary>columns: {shown.length} of {every.length}</summary>
      <div>
        <p class="chips">
          <button type="button" onClick={() => setQuery({ columns: keysAsText(every.map(({ key }) => key)) })}>All</button>
          <button type="button" onClick={() => setQuery({ columns: null })}>The usual</button>
        </p>
        {every.map(({ key, title }) => (
          <label key={key}><input type="checkbox" checked={keys.includes(key)} onChange={(e) => choose(key, e.currentTarget.checked)} /> {title}</label>
        ))}
      </div>
    </details>
  );
}
