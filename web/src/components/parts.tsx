// Small parts that every page uses: states, chips, choices, copy buttons, drawers, dialogs, undo.
import type { ComponentChildren } from "preact";
import { signal } from "@preact/signals";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { STATES, type State } from "../plots/colours.js";
import { count, number } from "../format.js";
import { route } from "../router.js";

const SHAPES: Record<State, ComponentChildren> = {
  running: <circle cx="6" cy="6" r="4" stroke-dasharray="3.2 3" />,
  complete: <circle cx="6" cy="6" r="4" fill="currentColor" />,
  pruned: <path d="M2 2.5h8L6 10z" />,
  failed: <path d="M2.5 2.5l7 7M9.5 2.5l-7 7" />,
  waiting: <rect x="2.5" y="2.5" width="7" height="7" />,
  paused: <path d="M4 2v8M8 2v8" />,
};

/** The shape of a trial's state, as in all plots. `state` is TrialState's number. */
export function StateMark({ state, words = false }: { state: number; words?: boolean }) {
  const name = STATES[state] ?? "waiting";
  return (
    <span class={`state state-${name}`} title={name}>
      <svg
        viewBox="0 0 12 12"
        width="12"
        height="12"
        aria-hidden="true"
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
      >
        {SHAPES[name]}
      </svg>
      {words ? <span>{name}</span> : <span class="sr">{name}</span>}
    </span>
  );
}

const NAMES = ["RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING", "PAUSED"];

/** A summary's counts by the number of the state, for `StateBar`. */
export const byNumber = (states: Readonly<Record<string, number>>): number[] => NAMES.map((name) => states[name] ?? 0);

/** How many trials are in which state, as a bar in their colours, with the figures in words. `counts` by TrialState's number. */
export function StateBar({ counts }: { counts: readonly number[] }) {
  const sum = counts.reduce((a, b) => a + b, 0);
  const words =
    STATES.flatMap((state, i) => (counts[i] ? [`${count(counts[i])} ${state}`] : [])).join(", ") || "no trial";
  return (
    <span class="state-bar" role="img" aria-label={words} title={words}>
      {STATES.map(
        (state, i) =>
          counts[i] > 0 && (
            <span key={state} class={`fill-${state}`} style={{ width: `${(100 * counts[i]) / sum}%` }} />
          ),
      )}
    </span>
  );
}

/** A small line of values, as in tables; NaN breaks it. */
export function Sparkline({
  values,
  label,
  width = 96,
  height = 20,
}: {
  values: ArrayLike<number>;
  label: string;
  width?: number;
  height?: number;
}) {
  const finite = Array.from(values).filter(Number.isFinite);
  if (finite.length < 2) return <span class="note">–</span>;
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const y = (v: number) => height - 2 - ((v - low) / (high - low || 1)) * (height - 4);
  const points = Array.from(values, (v, i) =>
    Number.isFinite(v) ? `${((i / (values.length - 1)) * (width - 2) + 1).toFixed(1)},${y(v).toFixed(1)}` : "",
  ).filter(Boolean);
  return (
    <svg
      class="spark"
      role="img"
      aria-label={`${label}: from ${number(finite[0])} to ${number(finite[finite.length - 1])}`}
      viewBox={`0 0 ${width} ${height}`}
      width={width}
      height={height}
    >
      <polyline points={points.join(" ")} fill="none" stroke="currentColor" stroke-width="1.3" />
    </svg>
  );
}

export type Tone = "plain" | "good" | "bad" | "look" | "accent";

export function Chip({
  children,
  tone = "plain",
  onRemove,
  title,
}: {
  children: ComponentChildren;
  tone?: Tone;
  onRemove?: () => void;
  title?: string;
}) {
  return (
    <span class={`chip ${tone}`} title={title}>
      {children}
      {onRemove && (
        <button type="button" class="link" aria-label="Remove" onClick={onRemove}>
          ✕
        </button>
      )}
    </span>
  );
}

/** Copies a text; says so for a moment. */
export function Copy({ text, children = "copy" }: { text: string | (() => string); children?: ComponentChildren }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    const what = typeof text === "function" ? text() : text;
    try {
      await navigator.clipboard.writeText(what);
    } catch {
      copyBySelection(what); // pages that are not of this machine or not encrypted have no clipboard
    }
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="quiet" onClick={() => void copy()} aria-live="polite">
      {done ? "copied ✓" : children}
    </button>
  );
}

function copyBySelection(text: string): void {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "sr";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export interface Option {
  value: string;
  label: ComponentChildren;
  title?: string;
}

/** A few alternatives of which one holds: axes against trials, time, cost. */
export function Switch({
  label,
  options,
  value,
  onChange,
}: {
  label: string;
  options: readonly Option[];
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <span class="switch" role="group" aria-label={label}>
      {options.map((o) => (
        <button
          type="button"
          key={o.value}
          title={o.title}
          aria-pressed={o.value === value}
          onClick={() => onChange(o.value)}
        >
          {o.label}
        </button>
      ))}
    </span>
  );
}

/** Many alternatives of which one holds. */
export function Select({
  label,
  options,
  value,
  onChange,
}: {
  label: string;
  options: readonly { value: string; label: string }[];
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <label class="select">
      <span>{label}</span>
      <select value={value} onChange={(e) => onChange(e.currentTarget.value)}>
        {options.map((o) => (
          <option key={o.value} value={o.value} selected={o.value === value}>
            {o.label}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What slides in from the right; Esc and the cross close it, and the focus goes back to where it was. */
export function Drawer({
  title,
  onClose,
  children,
  actions,
}: {
  title: ComponentChildren;
  onClose: () => void;
  children: ComponentChildren;
  actions?: ComponentChildren;
}) {
  const box = useRef<HTMLDivElement>(null as never);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    box.current.focus();
    return () => before?.focus?.();
  }, []);
  const keys = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    onClose();
  };
  return (
    <div class="drawer" role="dialog" aria-labelledby={id} tabIndex={-1} ref={box} onKeyDown={keys}>
      <header>
        <h2 id={id}>{title}</h2>
        <span class="spring" />
        {actions}
        <button type="button" class="quiet" aria-label="Close" onClick={onClose}>
          ✕
        </button>
      </header>
      <div class="drawer-body">{children}</div>
    </div>
  );
}

/** A dialog over the page. */
export function Dialog({
  title,
  onClose,
  children,
}: {
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}) {
  const box = useRef<HTMLDialogElement>(null as never);
  const id = useId();
  useEffect(() => box.current.showModal(), []);
  return (
    <dialog
      ref={box}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(e) => e.target === box.current && box.current.close()}
    >
      <header>
        <h2 id={id}>{title}</h2>
        <span class="spring" />
        <button type="button" class="quiet" aria-label="Close" onClick={() => box.current.close()}>
          ✕
        </button>
      </header>
      {children}
    </dialog>
  );
}

interface Notice {
  id: number;
  /** The study it is about: the one that was open. */
  study: number | null;
  text: string;
  tone: Tone;
  undo?: () => void;
}

const notices = signal<Notice[]>([]);
let last = 0;

/** Says what was done, at the edge of the page, for ten seconds; `undo` offers the way back. */
export function tell(text: string, tone: Tone = "plain", undo?: () => void): void {
  const id = ++last;
  const drop = () => (notices.value = notices.value.filter((n) => n.id !== id));
  notices.value = [
    ...notices.value.slice(-2),
    { id, study: route.peek().study, text, tone, undo: undo && (() => (drop(), undo())) },
  ];
  setTimeout(drop, 10_000);
}

export function Notices() {
  const here = notices.value.filter((n) => n.study === route.value.study);
  return (
    <div class="notices" role="status" aria-live="polite">
      {here.map((n) => (
        <div key={n.id} class={`notice ${n.tone}`}>
          {n.text}
          {n.undo && (
            <button type="button" onClick={n.undo}>
              Undo
            </button>
          )}
        </div>
      ))}
    </div>
  );
}

/** A figure with its name: the tiles at the top of a page. */
export function Tile({
  label,
  children,
  note,
  title,
}: {
  label: string;
  children: ComponentChildren;
  note?: ComponentChildren;
  title?: string;
}) {
  return (
    <div class="tile" title={title}>
      <span class="tile-label">{label}</span>
      <span class="tile-value">{children}</span>
      {note && <span class="note">{note}</span>}
    </div>
  );
}
