// A part of a page: its title, what it says while it loads, has nothing or fails, and its figures as a table.
import type { ComponentChildren } from "preact";
import { useErrorBoundary, useId, useRef, useState } from "preact/hooks";
import { ApiError, type Answer } from "../api.js";
import { plural, value as told, visible } from "../format.js";
import { savePicture } from "../plots/picture.js";
import { columns } from "../store.js";

export interface PlainTable {
  columns: readonly string[];
  rows: readonly (readonly unknown[])[];
}

interface Shared {
  title: string;
  /** Beside the title, smaller: what it is of, how many. */
  note?: ComponentChildren;
  /** Buttons and switches, at the right of the title. */
  actions?: ComponentChildren;
  /** Wide panels take the whole width of the page's grid. */
  wide?: boolean;
  /** Offers the plots as a picture, "png". */
  picture?: boolean;
  /** Words instead of children, while there is nothing to show. */
  empty?: ComponentChildren;
}

export interface PanelProps extends Shared {
  children: ComponentChildren;
  table?: () => PlainTable;
}

/** A panel whose content is here already. */
export function Panel({ title, note, actions, wide, picture, empty, children, table }: PanelProps) {
  const id = useId();
  const box = useRef<HTMLElement>(null as never);
  const [asTable, setAsTable] = useState(false);
  const shown = empty ? <p class="empty">{empty}</p> : asTable && table ? <Figures {...table()} /> : children;
  return (
    <section class={wide ? "panel wide" : "panel"} aria-labelledby={id} ref={box}>
      <header>
        <h2 id={id}>{title}</h2>
        {note && <span class="note">{note}</span>}
        <span class="spring" />
        {actions}
        {picture && !empty && !asTable && (
          <button type="button" class="quiet" title="Save as a picture" onClick={() => savePicture(box.current, title)}>
            png
          </button>
        )}
        {table && !empty && (
          <button
            type="button"
            class="quiet"
            aria-pressed={asTable}
            title="Show the figures as a table"
            onClick={() => setAsTable(!asTable)}
          >
            {asTable ? "plot" : "table"}
          </button>
        )}
      </header>
      <Guard>{shown}</Guard>
    </section>
  );
}

export interface AnswerPanelProps<T> extends Shared {
  answer: Answer<T>;
  children: (value: T) => ComponentChildren;
  table?: (value: T) => PlainTable;
  /** Words for an answer that has nothing in it, or null. */
  nothing?: (value: T) => ComponentChildren;
}

/** A panel of what the server answers: a skeleton before, the last answer while the next one is on its way, why there is none. */
export function AnswerPanel<T>({ answer, children, table, nothing, ...shared }: AnswerPanelProps<T>) {
  const { value, error, loading, again } = answer;
  if (value === null && error)
    return (
      <Panel {...shared}>
        <Trouble error={error} again={again} />
      </Panel>
    );
  if (value === null) return <Panel {...shared}>{loading ? <Skeleton /> : null}</Panel>;
  const empty = shared.empty ?? nothing?.(value);
  const { as_of: seen } = value as { as_of?: number };
  const now = columns.value?.count ?? seen;
  const stale = error ? (
    <span class="note bad" title={error.message}>
      not up to date
    </span>
  ) : seen !== undefined && seen !== now ? (
    <span class="note" title="The study went on meanwhile; news come every few seconds.">
      as of {plural(seen, "trial")}
    </span>
  ) : null;
  return (
    <Panel
      {...shared}
      empty={empty}
      note={
        <>
          {shared.note}
          {shared.note && stale && " · "}
          {stale}
        </>
      }
      table={table && (() => table(value))}
    >
      {empty ? null : children(value)}
    </Panel>
  );
}

export function Skeleton({ lines = 4 }: { lines?: number }) {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, i) => (
        <span key={i} />
      ))}
    </div>
  );
}

/** What went wrong, what to do about it, and a button to try again. */
export function Trouble({ error, again }: { error: Error; again?: () => void }) {
  return (
    <div class="trouble" role="alert">
      <p>
        <strong>{visible(error.message)}</strong>
      </p>
      {error instanceof ApiError && error.action && <p>{visible(error.action)}</p>}
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Catches what a panel's own code throws: the others stay. */
export function Guard({ children }: { children: ComponentChildren }) {
  const [error, reset] = useErrorBoundary((e) => console.error(e));
  if (error) return <Trouble error={error instanceof Error ? error : new Error(String(error))} again={reset} />;
  return <>{children}</>;
}

const MOST = 500;

/** Figures in rows and columns; of many the first ones. */
export function Figures({ columns, rows }: PlainTable) {
  return (
    <div class="figures" tabIndex={0} role="region" aria-label="Figures as a table">
      <table>
        <thead>
          <tr>
            {columns.map((c, k) => (
              <th key={c} scope="col" class={rows.some((row) => typeof row[k] === "number") ? "num" : undefined}>
                {visible(c)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, MOST).map((row, i) => (
            <tr key={i}>
              {row.map((cell, k) => (
                <td key={k} class={typeof cell === "number" ? "num" : undefined}>
                  {told(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > MOST && (
        <p class="note">
          The first {MOST} of {rows.length}.
        </p>
      )}
    </div>
  );
}
