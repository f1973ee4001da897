// What the keys do, and the palette that goes anywhere by name.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { isStatic } from "./api.js";
import { Dialog } from "./components/parts.js";
import { visible } from "./format.js";
import { keymaps } from "./keys.js";
import { PAGES } from "./pages.js";
import { go, href, route } from "./router.js";
import { columns, loadStudies, studies, study } from "./store.js";

export const helpOpen = signal(false);
export const paletteOpen = signal(false);

/** The language of queries, by examples. */
const LANGUAGE = [
  ["value > 0.9 and lr < 1e-2", "comparisons: < <= > >= = !=, joined by and, or, not ( )"],
  ['model = "svm"', "an option, and != for all others"],
  ['model in ["svm", "forest"]', "one of several"],
  ['failure ~ "memory"', "contains the text"],
  ["state = failed", "running, complete, pruned, failed, waiting or paused"],
  ["lr = none", "not active, or not known; != none, or the name alone, where it is"],
  ["1e-4 <= lr < 0.1", "a range"],
  ["`weight decay` > 0", "a name with blanks, in backticks"],
] as const;

export function Help() {
  const keys = new Map(keymaps.value.flat().map((k) => [k.key, k.does]));
  return (
    <Dialog title="Keys and queries" onClose={() => (helpOpen.value = false)}>
      <dl class="keys">
        {[...keys].map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
        <div>
          <dt>
            <kbd>drag</kbd>
          </dt>
          <dd>select in a plot; with shift more, with alt less</dd>
        </div>
        <div>
          <dt>
            <kbd>Ctrl-wheel</kbd>
          </dt>
          <dd>zoom in a plot; a double click shows all</dd>
        </div>
      </dl>
      <h3>Which trials</h3>
      <dl class="keys language">
        {LANGUAGE.map(([query, does]) => (
          <div key={query}>
            <dt>
              <code>{query}</code>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

interface Target {
  label: string;
  hint: string;
  address: string;
}

function targets(typed: string): Target[] {
  const { study: id } = route.value;
  const pages = PAGES.filter((p) => !p.ofStudy || id !== null).map((p) => ({
    label: p.title,
    hint: p.ofStudy ? visible(study.value?.name ?? "") : "all studies",
    address: href(p.name, p.ofStudy ? id : null),
  }));
  const all = (studies.value ?? []).map((s) => ({
    label: visible(s.name),
    hint: "study",
    address: href("overview", s.id),
  }));
  const trial = Number(typed.replace(/^#/, ""));
  const isTrial =
    typed !== "" && id !== null && Number.isInteger(trial) && trial >= 0 && trial < (columns.value?.count ?? 0);
  const found = isTrial
    ? [{ label: `Trial ${trial}`, hint: "open it", address: href("trials", id, { trial: String(trial) }) }]
    : [];
  return [...found, ...[...pages, ...all].filter((t) => t.label.toLowerCase().includes(typed.toLowerCase()))].slice(
    0,
    14,
  );
}

export function Palette() {
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const close = () => (paletteOpen.value = false);
  useEffect(() => void (isStatic || loadStudies()), []); // on the pages of a study the list is not at hand
  const found = targets(typed.trim());
  const take = (target: Target | undefined) => {
    close();
    if (target) go(target.address);
  };
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) setAt((at + step + found.length) % Math.max(1, found.length));
    else if (event.key === "Enter") take(found[at]);
    else return;
    event.preventDefault();
  };
  return (
    <Dialog title="Go to" onClose={close}>
      <input
        class="palette"
        type="text"
        role="combobox"
        aria-label="Page, study or number of a trial"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found[at] && `palette-${at}`}
        placeholder="Page, study or number of a trial"
        value={typed}
        autoFocus
        autoComplete="off"
        onInput={(e) => (setTyped(e.currentTarget.value), setAt(0))}
        onKeyDown={keys}
      />
      <ul class="choices" role="listbox" id="palette-list" aria-label="Where to go">
        {found.map((t, i) => (
          <li
            key={t.address}
            id={`palette-${i}`}
            role="option"
            aria-selected={i === at}
            onClick={() => take(t)}
            onPointerEnter={() => setAt(i)}
          >
            {t.label}
            <span class="note">{t.hint}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 && (
        <p class="note" role="status">
          {studies.value === null && !isStatic
            ? "Looking for studies…"
            : `Nothing is called "${visible(typed.trim())}".`}
        </p>
      )}
    </Dialog>
  );
}
