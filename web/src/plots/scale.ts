// Axes: from values to pixels and back, with ticks that suit their kind.
import { type Tick, duration, logTicks, moment, number, ticks, visible } from "../format.js";

/** "time" is seconds since the epoch, "duration" seconds; a category's values are 0, 1, … and point into `options`. */
export type AxisKind = "linear" | "log" | "integer" | "category" | "time" | "duration";

export interface Axis {
  label: string;
  kind: AxisKind;
  low: number;
  high: number;
  options?: readonly string[];
  /** How many values lie beyond the ends, because the range is the robust one. */
  outliers?: number;
  /** How many of them lie below; the others lie above. */
  below?: number;
}

export interface Scale {
  readonly axis: Axis;
  readonly from: number;
  readonly to: number;
  /** Pixels of a value; beyond the ends it goes on. */
  at(value: number): number;
  invert(pixel: number): number;
  ticks(wanted: number): Tick[];
}

export function scale(axis: Axis, from: number, to: number): Scale {
  const log = axis.kind === "log";
  const f = log ? Math.log10 : (v: number) => v;
  const [low, high] = ends(axis).map(f);
  const perUnit = (to - from) / (high - low);
  return {
    axis,
    from,
    to,
    at: (value) => from + (f(value) - low) * perUnit,
    invert: (pixel) => {
      const inner = low + (pixel - from) / perUnit;
      return log ? 10 ** inner : inner;
    },
    ticks: (wanted) => axisTicks(axis, wanted),
  };
}

/**
 * Pixels of many values at once, for whole columns: NaN stays NaN, beyond a robust range is its edge, and points of one
 * option lie beside each other. What was asked for lately is kept, since plots share their columns; change it not.
 */
export function pixels(s: Scale, values: ArrayLike<number> & object): Float32Array {
  const { axis, from, to } = s;
  const key = `${axis.kind} ${axis.low} ${axis.high} ${axis.outliers ?? 0} ${axis.options?.length ?? 0} ${from} ${to}`;
  let kept = places.get(values);
  if (!kept) places.set(values, (kept = new Map()));
  const known = kept.get(key);
  if (known) return known;
  if (kept.size >= KEPT) kept.delete(kept.keys().next().value as string);
  const made = measure(s, values);
  kept.set(key, made);
  return made;
}

const places = new WeakMap<object, Map<string, Float32Array>>();
const KEPT = 4;

function measure(s: Scale, values: ArrayLike<number>): Float32Array {
  const { axis } = s;
  const made = new Float32Array(values.length);
  if (axis.kind === "log") for (let i = 0; i < made.length; i++) made[i] = Math.log10(values[i]);
  else for (let i = 0; i < made.length; i++) made[i] = values[i];
  const origin = axis.kind === "log" ? s.at(1) : s.at(0);
  const slope = axis.kind === "log" ? s.at(10) - origin : s.at(1) - origin;
  for (let i = 0; i < made.length; i++) made[i] = origin + slope * made[i];
  if (axis.kind === "category") scatter(made, s);
  const [low, high] = [Math.min(s.from, s.to), Math.max(s.from, s.to)];
  if (axis.outliers)
    for (let i = 0; i < made.length; i++) made[i] = made[i] < low ? low : made[i] > high ? high : made[i];
  return made;
}

/** Spreads points over the band of their option; where a point lies does not change from one picture to the next. */
function scatter(pixels: Float32Array, { axis, from, to }: Scale): void {
  const room = Math.min(36, (0.6 * Math.abs(to - from)) / Math.max(1, axis.options?.length ?? 1));
  const salt = from < to ? 1 : 7919;
  for (let i = 0; i < pixels.length; i++) pixels[i] += ((Math.imul(i + salt, 2654435761) >>> 8) / 2 ** 24 - 0.5) * room;
}

/** Ends that differ, with half a category of room at both ends of options. */
function ends({ kind, low, high, options }: Axis): [number, number] {
  if (kind === "category") return [-0.5, Math.max(0.5, (options?.length ?? 1) - 0.5)];
  if (kind === "log") return low < high ? [low, high] : [low / 2, low * 2];
  if (low < high) return [low, high];
  const room = Math.abs(low) / 10 || 1;
  return [low - room, low + room];
}

function axisTicks(axis: Axis, wanted: number): Tick[] {
  const [low, high] = ends(axis);
  switch (axis.kind) {
    case "category":
      return categoryTicks(axis.options ?? [], wanted);
    case "log":
      return logTicks(low, high, wanted);
    case "integer":
      return ticks(Math.ceil(low), Math.floor(high), wanted, true);
    case "time":
      return timeTicks(low, high, wanted, (t, step) =>
        step >= 86_400 ? moment(t).slice(5, 10) : step >= 60 ? moment(t).slice(11, 16) : moment(t).slice(11),
      );
    case "duration":
      return timeTicks(low, high, wanted, duration);
    default:
      return ticks(low, high, wanted);
  }
}

function categoryTicks(options: readonly string[], wanted: number): Tick[] {
  const every = Math.max(1, Math.ceil(options.length / (2 * wanted)));
  return options.flatMap((label, value) => (value % every === 0 ? [{ value, label: visible(label) }] : []));
}

const STEPS = [
  1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800, 2_592_000, 31_536_000,
];

function timeTicks(low: number, high: number, wanted: number, label: (at: number, step: number) => string): Tick[] {
  const rough = (high - low) / Math.max(1, wanted);
  if (rough < 1) return ticks(low, high, wanted).map(({ value }) => ({ value, label: label(value, rough) }));
  const step = STEPS.find((s) => s >= rough) ?? STEPS[STEPS.length - 1];
  const found: Tick[] = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push({ value: at, label: label(at, step) });
  return found;
}

/** A value of an axis in words: the option's text, a duration, four digits. */
export function told(axis: Axis, value: number): string {
  if (Number.isNaN(value)) return "–";
  if (axis.kind === "category") return visible(axis.options?.[value] ?? "–");
  return axis.kind === "time" ? moment(value) : axis.kind === "duration" ? duration(value) : number(value);
}

/** Smallest and largest finite value. */
export function extent(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (v < low && v > -Infinity) low = v;
    if (v > high && v < Infinity) high = v;
  }
  return low <= high ? [low, high] : [0, 1];
}

export interface Robust {
  low: number;
  high: number;
  outliers: number;
  /** How many of them lie below; the others lie above. */
  below: number;
}

const FENCE = 3;
const FEW = 0.05;
const SAMPLE = 4000;

/**
 * A range that a few disasters do not squash: three interquartile ranges around the middle half, and no wider than the
 * values. Outliers are few: where more than the share `most` would lie beyond, the range grows around all but so many. The
 * end that users care for is never cut: `keep` "low" where less is better, "high" where more is.
 */
export function robust(values: ArrayLike<number>, keep: "low" | "high" | null = null, most = FEW): Robust {
  const [least, greatest] = extent(values);
  const every = Math.ceil(values.length / SAMPLE) || 1;
  const sample: number[] = [];
  for (let i = 0; i < values.length; i += every) if (Number.isFinite(values[i])) sample.push(values[i]);
  if (sample.length < 8) return { low: least, high: greatest, outliers: 0, below: 0 };
  sample.sort((a, b) => a - b);
  /** The range of all but so many values at each end, and so many times as wide again at both sides. */
  const around = (skipped: number, reach: number): [number, number] => {
    const [first, last] = [sample[skipped], sample[sample.length - 1 - skipped]];
    const room = reach * (last - first) || 0.05 * (Math.abs(first) || 1);
    return [
      keep === "low" ? least : Math.max(least, first - room),
      keep === "high" ? greatest : Math.min(greatest, last + room),
    ];
  };
  const middle = around(sample.length >> 2, FENCE);
  const isFew = sample.filter((v) => v < middle[0] || v > middle[1]).length <= most * sample.length;
  const [low, high] = isFew ? middle : around(Math.floor((keep ? most : most / 2) * sample.length), 0.5);
  let [below, above] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) below++;
    else if (values[i] > high) above++;
  }
  return { low, high, outliers: below + above, below };
}

/** The marks of what lies beyond an axis: ▲ above it, ▼ below. */
export const sides = ({ outliers = 0, below = 0 }: Axis): string =>
  [below < outliers && "▲", below > 0 && "▼"].filter(Boolean).join(" ");

/** A bit of room at both ends, so that no mark touches the frame. */
export function padded(axis: Axis, share = 0.04): Axis {
  if (axis.kind === "category") return axis;
  const [low, high] = ends(axis);
  if (axis.kind === "log") {
    const factor = (high / low) ** share;
    return { ...axis, low: low / factor, high: high * factor };
  }
  const room = (high - low) * share;
  return { ...axis, low: low - room, high: high + room };
}
