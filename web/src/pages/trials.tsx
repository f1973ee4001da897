// All trials in a table, and one of them in a drawer.
import { useEffect, useMemo, useState } from "preact/hooks";
import { act, mayAct } from "../actions.js";
import { isStatic } from "../api.js";
import { Drawer } from "../components/parts.js";
import type { TableColumn } from "../components/Table.js";
import { count, plural } from "../format.js";
import { AllTrials, trialColumns, useSelectedRows } from "../parts/AllTrials.js";
import { Ask } from "../parts/Ask.js";
import { QueryBar } from "../parts/QueryBar.js";
import { Trial } from "../parts/Trial.js";
import type { Column, Columns } from "../protocol.js";
import { route, setQuery } from "../router.js";
import type { Declared } from "../space.js";
import { stateNumber } from "../states.js";
import { column, columns, study } from "../store.js";
import type { Study } from "../types.js";

export default function Trials() {
  const [now, all] = [study.value, columns.value];
  if (now === null || all === null) return null;
  if (all.count === 0) return <p class="lonely">No trial yet. The first one appears here when a worker begins it.</p>;
  return (
    <div class="page">
      <Listed study={now} all={all} />
    </div>
  );
}

function Listed({ study: now, all }: { study: Study; all: Columns }) {
  const { query } = route.value;
  const chosen = query.get("columns");
  const every = useMemo(() => trialColumns(all.columns), [all]);
  const shown = useMemo(
    () => new Set(chosen === null ? usual(every, all.columns) : chosen.split(",").map(decodeURIComponent)),
    [every, chosen],
  );
  const open = numberOf(query.get("trial"), all.count);
  const cursor = numberOf(query.get("at"), all.count);
  useEffect(() => {
    if (open !== null && cursor !== null) show(cursor); // the drawer goes along
  }, [cursor]);
  return (
    <>
      <div class="toolbar panel wide">
        <QueryBar />
        {mayAct.value && <RetryFailed study={now} />}
        {!isStatic && (
          <span class="note">
            save as{" "}
            <a href={`api/v1/studies/${now.id}/export?format=csv`} download>
              CSV
            </a>
            ,{" "}
            <a href={`api/v1/studies/${now.id}/export?format=jsonl`} download>
              JSON lines
            </a>
          </span>
        )}
        <Chooser every={every} shown={shown} />
      </div>
      <div class="wide">
        <AllTrials shown={shown} height={Math.max(260, innerHeight - 190)} onOpen={show} />
      </div>
      {open !== null && (
        <Drawer title={`Trial ${open}`} onClose={() => setQuery({ trial: null })}>
          <Trial key={open} study={now.id} number={open} space={now.problem.space as Declared[]} />
        </Drawer>
      )}
    </>
  );
}

/** Failed trials that are selected and that count are tried again, all at once. */
function RetryFailed({ study: { id, forgiven } }: { study: Study }) {
  const [isAsked, setAsked] = useState(false);
  const rows = useSelectedRows();
  const states = column("state")?.data;
  const failed = useMemo(() => {
    const over = new Set(forgiven);
    return Array.from(rows.filter((row) => states?.[row] === FAILED && !over.has(row)));
  }, [rows, states, forgiven]);
  if (failed.length === 0) return null;
  const retry = () =>
    act(id, "retry", { numbers: failed }, `${plural(failed.length, "failed trial")} will be tried again.`);
  return (
    <>
      <button type="button" onClick={() => setAsked(true)}>
        Retry {count(failed.length)} failed…
      </button>
      {isAsked && (
        <Ask
          title={`Retry ${plural(failed.length, "failed trial")}?`}
          does="Retry"
          onDo={retry}
          onClose={() => setAsked(false)}
        >
          <p>
            Each configuration that failed, of those that are selected, is queued again as a new trial in its place.
            Those that were tried again before are left out, and so are invalidated ones.
          </p>
        </Ask>
      )}
    </>
  );
}

const FAILED = stateNumber("FAIL");

const show = (trial: number): void => setQuery({ trial: String(trial) });

function numberOf(text: string | null, trials: number): number | null {
  return text !== null && /^\d+$/.test(text) && Number(text) < trials ? Number(text) : null;
}

const MOST_PARAMETERS = 8;
const SELDOM: readonly Column["kind"][] = ["started", "step", "attempt", "parent", "worker"];

/** What is shown until other columns are chosen: without many parameters, and how trials failed only where some did. */
function usual(every: readonly TableColumn[], all: readonly Column[]): string[] {
  const hidden = new Set(
    all
      .filter(({ kind }) => kind === "param")
      .slice(MOST_PARAMETERS)
      .map(({ key }) => key),
  );
  for (const { key, kind, options } of all)
    if (SELDOM.includes(kind) || (kind === "failure" && (options?.length ?? 0) < 2)) hidden.add(key);
  return every.map(({ key }) => key).filter((key) => !hidden.has(key));
}

function Chooser({ every, shown }: { every: readonly TableColumn[]; shown: ReadonlySet<string> }) {
  const keys = every.map(({ key }) => key);
  const choose = (wanted: readonly string[] | null) =>
    setQuery({ columns: wanted && wanted.map(encodeURIComponent).join(",") });
  return (
    <details class="chooser">
      <summary>
        columns: {keys.filter((key) => shown.has(key)).length} of {keys.length}
      </summary>
      <div>
        <p class="chips">
          <button type="button" onClick={() => choose(keys)}>
            All
          </button>
          <button type="button" onClick={() => choose(null)}>
            The usual
          </button>
        </p>
        {every.map(({ key, title }) => (
          <label key={key}>
            <input
              type="checkbox"
              checked={shown.has(key)}
              onChange={(e) =>
                choose(keys.filter((each) => (each === key ? e.currentTarget.checked : shown.has(each))))
              }
            />{" "}
            {title}
          </label>
        ))}
      </div>
    </details>
  );
}
