// What is selected: the trials that the query lets through and that lie in all brushes. Both live in the address.
import { computed, effect, signal } from "@preact/signals";
import { hook, timed } from "./hook.js";
import { STATES } from "./plots/colours.js";
import type { BrushMode } from "./plots/Frame.js";
import { NAMES, type Column, missing } from "./protocol.js";
import { type Field, type Mask, parseQuery } from "./query.js";
import { route, setQuery } from "./router.js";
import { columns } from "./store.js";

/** A range per column, of one column or two; the first of a set of columns replaces, the next ones add or take away. */
export interface Brush {
  keys: readonly string[];
  ranges: readonly (readonly [number, number])[];
  mode: BrushMode;
}

export interface Selection {
  /** 1 for each selected trial; null where nothing restricts, and all are. */
  mask: Mask | null;
  count: number;
}

/** The brush that is being drawn; it is part of the selection before it is part of the address. */
export const draft = signal<Brush | null>(null);
export const queryText = computed(() => route.value.query.get("q") ?? "");
const brushText = computed(() => route.value.query.get("b") ?? "");
export const brushes = computed(() => parseBrushes(brushText.value));

const MODES: Record<string, BrushMode> = { "+": "add", "-": "remove" };
const SIGNS: Record<BrushMode, string> = { set: "", add: "+", remove: "-" };

/** `value:0.9~1;-p0,p1:0~1,3~4` */
export function parseBrushes(text: string): Brush[] {
  try {
    return readBrushes(text);
  } catch {
    return []; // an address that somebody cut
  }
}

function readBrushes(text: string): Brush[] {
  return text.split(";").flatMap((part) => {
    const match = /^([+-]?)([^:]+):(.+)$/.exec(part);
    if (!match) return [];
    const keys = match[2].split(",").map(decodeURIComponent);
    const ranges = match[3].split(",").map((range) => range.split("~").map(Number) as [number, number]);
    return keys.length === ranges.length && !ranges.flat().some(Number.isNaN)
      ? [{ keys, ranges, mode: MODES[match[1]] ?? "set" }]
      : [];
  });
}

export function writeBrushes(all: readonly Brush[]): string {
  const short = (v: number) => String(Number(v.toPrecision(6)));
  return all
    .map(
      ({ keys, ranges, mode }) =>
        `${SIGNS[mode]}${keys.map(encodeURIComponent).join(",")}:${ranges.map(([low, high]) => `${short(low)}~${short(high)}`).join(",")}`,
    )
    .join(";");
}

const group = (brush: Brush): string => brush.keys.join("\n");

/** All brushes with one more: "set" replaces those of the same columns. */
export function withBrush(all: readonly Brush[], brush: Brush): Brush[] {
  return brush.mode === "set" ? [...all.filter((b) => group(b) !== group(brush)), brush] : [...all, brush];
}

/** Draws a brush; what is done goes into the address. Ranges without ends are left out. */
export function brushed(brush: Brush, done: boolean): void {
  const used = brush.ranges
    .map(([low, high], i) => ({ key: brush.keys[i], range: [low, high] as const }))
    .filter(({ range }) => range.some(Number.isFinite));
  const trimmed = { mode: brush.mode, keys: used.map((u) => u.key), ranges: used.map((u) => u.range) };
  draft.value = done || used.length === 0 ? null : trimmed;
  if (done && used.length > 0) setQuery({ b: writeBrushes(withBrush(brushes.peek(), trimmed)) || null });
}

/** Removes the brushes that concern a column. */
export function unbrush(...keys: string[]): void {
  setQuery({ b: writeBrushes(brushes.peek().filter((b) => !b.keys.some((k) => keys.includes(k)))) || null });
}

export const clearSelection = (): void => {
  draft.value = null;
  setQuery({ q: null, b: null });
};

const wide = new WeakMap<object, Float32Array>();

/** A column as numbers, NaN where nothing is known. */
export function numbers(column: Column): Float32Array {
  if (column.data instanceof Float32Array) return column.data;
  const known = wide.get(column.data);
  if (known) return known;
  const nothing = column.kind === "state" || column.kind === "attempt" ? -1 : missing(column);
  const made = new Float32Array(column.data.length);
  for (let i = 0; i < made.length; i++) made[i] = column.data[i] === nothing ? NaN : column.data[i];
  wide.set(column.data, made);
  return made;
}

const counted = computed(() => new Float32Array(columns.value?.count ?? 0).map((_, i) => i));

/** The numbers behind a key of a column; "number" is the trial's own. */
export function valuesOf(key: string): Float32Array | undefined {
  if (key === "number") return counted.value;
  const found = columns.value?.columns.find((c) => c.key === key);
  return found && numbers(found);
}

/** What a query can ask of: number, state, value, and all parameters, objectives and metrics by their names. */
export const fields = computed<Field[]>(() => {
  const all = columns.value?.columns ?? [];
  const objectives = all.filter((c) => c.kind === "value");
  const found: Field[] = [{ name: "number", values: counted.value }];
  if (objectives.length > 0) found.push({ name: "value", values: objectives[0].data });
  for (const column of all)
    found.push({
      name:
        column.kind === "value" || column.kind === "metric" || column.kind === "param"
          ? column.name
          : (NAMES[column.kind] ?? column.kind),
      values: numbers(column),
      options: column.kind === "state" ? STATES : column.options,
    });
  const names = new Set<string>();
  return found.filter(({ name }) => !names.has(name) && names.add(name));
});

export interface Asked {
  mask: Mask | null;
  error: Error | null;
}

/** The query's part, and what is wrong with it. A wrong one restricts nothing. */
export const asked = computed<Asked>(() => {
  const text = queryText.value.trim();
  if (text === "" || columns.value === null) return { mask: null, error: null };
  const by = new Map(fields.value.map((field) => [field.name, field]));
  const duration = by.get("duration");
  if (duration && !by.has("seconds")) by.set("seconds", duration); // as addresses of old say
  try {
    return { mask: parseQuery(text)(by, columns.value.count), error: null };
  } catch (error) {
    return { mask: null, error: error as Error };
  }
});

export const selection = computed<Selection>(() => timed("select", () => select()));

function select(): Selection {
  const count = columns.value?.count ?? 0;
  const all = draft.value ? withBrush(brushes.value, draft.value) : brushes.value;
  const groups = Map.groupBy(all, group);
  const masks = [...groups.values()].map((some) => inBrushes(some, count)).filter((m) => m !== null);
  if (asked.value.mask) masks.push(asked.value.mask);
  if (masks.length === 0) return { mask: null, count };
  const mask = masks[0].slice();
  for (const other of masks.slice(1)) for (let i = 0; i < count; i++) mask[i] &= other[i];
  let chosen = 0;
  for (let i = 0; i < count; i++) chosen += mask[i];
  return { mask, count: chosen };
}

function inBrushes(some: readonly Brush[], count: number): Mask | null {
  const values = some[0].keys.map(valuesOf);
  if (values.some((v) => v === undefined)) return null; // an address of another study
  const [xs, ys] = values as Float32Array[];
  const mask = new Uint8Array(count).fill(some[0].mode === "remove" ? 1 : 0);
  for (const {
    ranges: [[a, b], [c, d] = [-Infinity, Infinity]],
    mode,
  } of some) {
    const inside = mode === "remove" ? 0 : 1;
    for (let i = 0; i < count; i++)
      if (xs[i] >= a && xs[i] <= b && (ys === undefined || (ys[i] >= c && ys[i] <= d))) mask[i] = inside;
  }
  return mask;
}

export const startSelection = (): void => {
  effect(() => {
    hook.selected = selection.value.count;
  });
};
