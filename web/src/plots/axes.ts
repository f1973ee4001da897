// Axes for values that are at hand: how far they go, and whether powers of ten suit them.
import { type Axis, type AxisKind, extent, padded, robust } from "./scale.js";

/** All finite values of several arrays in one. */
export const all = (...arrays: readonly ArrayLike<number>[]): number[] =>
  arrays.flatMap((a) => Array.from(a)).filter(Number.isFinite);

/** An axis over all values, with a bit of room. */
export function axis(label: string, values: ArrayLike<number>, kind: AxisKind = "linear"): Axis {
  const positive = kind === "log" ? Array.from(values).filter((v) => v > 0) : values;
  const [low, high] = kind === "log" && positive.length === 0 ? [0.1, 1] : extent(positive);
  return padded({ label, kind, low, high });
}

/** An axis over most values: a few far ones do not squash it. `direction` says which end users care for. */
export function robustAxis(
  label: string,
  values: ArrayLike<number>,
  direction: string | null = null,
  kind: AxisKind = "linear",
): Axis {
  if (kind === "log") return axis(label, values, kind);
  const most = robust(values, direction === "minimize" ? "low" : direction === "maximize" ? "high" : null);
  return padded({ label, kind, ...most });
}

/** Steps and counts, from their first to their last. */
export const whole = (label: string, values: ArrayLike<number>, log = false): Axis => {
  const [low, high] = extent(values);
  return { label, kind: log && low > 0 ? "log" : "integer", low, high };
};
