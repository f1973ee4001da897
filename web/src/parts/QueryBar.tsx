// Where one says which trials are meant: a query with completion, and a chip for each brush. All plots and tables follow.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Chip } from "../components/parts.js";
import { count, number, visible } from "../format.js";
import { useKeys } from "../keys.js";
import { complete, type Completion, type Field, QueryError, spelled } from "../query.js";
import { setQuery } from "../router.js";
import { asked, brushes, type Brush, clearSelection, fields, queryText, selection, unbrush } from "../selection.js";
import { column, columns } from "../store.js";

/** A query that this study can be asked: of a number and an option that its trials have. */
function example(known: readonly Field[]): string {
  const numeric = known.find((f) => f.name === "value") ?? known[0];
  const some = numeric && Array.from(numeric.values).find(Number.isFinite);
  const choice = known.find((f) => f.options && f.name !== "state") ?? known.find((f) => f.options);
  const parts = [
    some !== undefined && `${spelled(numeric.name)} >= ${number(some)}`,
    choice?.options?.[0] && `${spelled(choice.name)} = ${JSON.stringify(choice.options[0])}`,
  ];
  return visible(parts.filter(Boolean).join(" and "));
}

const TYPED = 250;

export function QueryBar() {
  const input = useRef<HTMLInputElement>(null as never);
  const [text, setText] = useState(queryText.value);
  const [offers, setOffers] = useState<Completion[]>([]);
  const [at, setAt] = useState(-1);
  const timer = useRef(0);
  const hint = useMemo(() => example(fields.value), [fields.value]);
  useKeys([
    { key: "/", does: "say which trials you mean", run: () => input.current.focus() },
    { key: "Escape", does: "clear the selection", run: clearSelection },
  ]);
  useEffect(() => {
    if (document.activeElement !== input.current) setText(queryText.value);
  }, [queryText.value]);

  const write = (next: string, now: boolean) => {
    clearTimeout(timer.current);
    const say = () => setQuery({ q: next.trim() || null });
    if (now) say();
    else timer.current = window.setTimeout(say, TYPED); // not at every letter: half a word is an error
  };
  const offer = () => {
    setOffers(complete(input.current.value, input.current.selectionStart ?? 0, fields.peek()));
    setAt(-1);
  };
  const typed = () => {
    setText(input.current.value);
    write(input.current.value, false);
    offer();
  };
  const take = (choice: Completion) => {
    const next = `${text.slice(0, choice.from)}${choice.insert} ${text.slice(choice.to).trimStart()}`;
    const cursor = choice.from + choice.insert.length + 1;
    input.current.value = next; // at once: the next letter may be on its way
    input.current.setSelectionRange(cursor, cursor);
    setText(next);
    write(next, false);
    offer();
  };
  const keys = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && offers.length > 0) setAt((at + step + offers.length) % offers.length);
    else if ((event.key === "Enter" || event.key === "Tab") && at >= 0) take(offers[at]);
    else if (event.key === "Enter") {
      write(text, true);
      setOffers([]);
    } else if (event.key === "Escape") offers.length > 0 ? setOffers([]) : input.current.blur();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const { error } = asked.value;
  return (
    <div class="query">
      <div class="query-field">
        <input
          ref={input}
          type="text"
          role="combobox"
          aria-label="Which trials"
          aria-expanded={offers.length > 0}
          aria-controls="query-offers"
          aria-autocomplete="list"
          aria-invalid={error !== null}
          aria-activedescendant={at >= 0 ? `query-offer-${at}` : undefined}
          aria-describedby={error ? "query-error" : undefined}
          placeholder={hint}
          value={text}
          autoComplete="off"
          spellcheck={false}
          onInput={typed}
          onFocus={offer}
          onClick={offer}
          onBlur={() => setOffers([])}
          onKeyDown={keys}
        />
        <ul
          class="choices offers"
          role="listbox"
          id="query-offers"
          aria-label="What could come next"
          hidden={offers.length === 0}
        >
          {offers.map((o, i) => (
            <li
              key={o.label}
              id={`query-offer-${i}`}
              role="option"
              aria-selected={i === at}
              onPointerDown={(e) => (e.preventDefault(), take(o))}
            >
              {visible(o.label)}
              <span class="note">{o.hint}</span>
            </li>
          ))}
        </ul>
      </div>
      <Chosen />
      {error && (
        <p class="query-error" id="query-error" role="status">
          {visible(error.message)}
          {error instanceof QueryError && <Where text={queryText.value} at={error.at} />}
        </p>
      )}
    </div>
  );
}

function Where({ text, at }: { text: string; at: number }) {
  return at < text.length ? (
    <code>
      {" "}
      {visible(text.slice(Math.max(0, at - 12), at))}
      <mark>{visible(text.slice(at, at + 12))}</mark>
    </code>
  ) : null;
}

/** How many are selected, and by which brushes. */
function Chosen() {
  const { mask, count: chosen } = selection.value;
  const all = columns.value?.count ?? 0;
  return (
    <span class="chips">
      <span class="chosen" role="status">
        {mask ? (
          <>
            <strong>{count(chosen)}</strong> of {count(all)}
          </>
        ) : (
          <>all {count(all)}</>
        )}
      </span>
      {brushes.value.map((brush) => (
        <Chip key={told(brush)} tone="accent" onRemove={() => unbrush(...brush.keys)}>
          {told(brush)}
        </Chip>
      ))}
      {mask && (
        <button type="button" class="quiet" onClick={clearSelection}>
          clear
        </button>
      )}
    </span>
  );
}

/** A brush in words: `lr 0.001 to 0.01`. */
function told({ keys, ranges, mode }: Brush): string {
  const words = keys.map((key, i) => `${visible(column(key)?.name ?? key)} ${range(key, ranges[i])}`).join(", ");
  return mode === "remove" ? `not ${words}` : mode === "add" ? `or ${words}` : words;
}

function range(key: string, [low, high]: readonly [number, number]): string {
  const options = column(key)?.options;
  if (options)
    return options
      .slice(Math.max(0, Math.ceil(low)), Math.max(0, Math.floor(high) + 1))
      .map(visible)
      .join(" or ");
  if (!Number.isFinite(low)) return `≤ ${number(high)}`;
  return Number.isFinite(high) ? `${number(low)} to ${number(high)}` : `≥ ${number(low)}`;
}
