// Trials that the user has put a mark on: kept in the address, ringed in plots, and set side by side.
import { computed, signal } from "@preact/signals";
import { Dialog } from "../components/parts.js";
import { plural, visible } from "../format.js";
import type { Column } from "../protocol.js";
import { route, setQuery } from "../router.js";
import { columns } from "../store.js";
import { tell } from "./axes.js";

const text = computed(() => route.value.query.get("m") ?? "");

export const marked = computed<ReadonlySet<number>>(() => {
  const numbers = text.value
    .split(",")
    .filter((part) => /^\d+$/.test(part))
    .map(Number);
  return new Set(numbers.filter((number) => number < (columns.value?.count ?? 0)));
});

/** Whether they are shown side by side. */
export const compares = signal(false);

export function mark(trial: number): void {
  const next = new Set(marked.peek());
  if (!next.delete(trial)) next.add(trial);
  setQuery({ m: [...next].join(",") || null });
}

export function Marks() {
  const { size } = marked.value;
  if (size === 0) return <>x marks a trial, c compares those that are marked</>;
  return (
    <>
      {plural(size, "marked trial")}
      <button type="button" class="quiet" onClick={() => (compares.value = true)}>
        compare
      </button>
      <button type="button" class="quiet" onClick={() => setQuery({ m: null })}>
        clear
      </button>
    </>
  );
}

const KINDS: readonly Column["kind"][] = ["state", "value", "violation", "metric", "param", "seconds"];

export function Compared({ onClose }: { onClose: () => void }) {
  const trials = [...marked.value];
  const rows = KINDS.flatMap((kind) => columns.value?.columns.filter((c) => c.kind === kind) ?? []).map((c) => ({
    column: c,
    cells: trials.map((t) => tell(c, t)),
  }));
  return (
    <Dialog title="Marked trials" onClose={onClose}>
      <div class="figures" tabIndex={0} role="region" aria-label="Marked trials, side by side">
        <table>
          <thead>
            <tr>
              <th scope="col">trial</th>
              {trials.map((t) => (
                <th key={t} scope="col" class="num">
                  {t}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ column, cells }) => (
              <tr key={column.key} class={new Set(cells).size > 1 ? "differs" : undefined}>
                <th scope="row">{visible(column.name)}</th>
                {cells.map((cell, i) => (
                  <td key={trials[i]} class="num">
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Dialog>
  );
}
