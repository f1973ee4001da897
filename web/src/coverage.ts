// Where trials lie along a parameter: how many in each part of its range, in its own scale, or with each option.
import type { Column } from "./protocol.js";
import { missing } from "./protocol.js";
import type { Declared } from "./space.js";

export interface Coverage {
  /** Ends of the cells, one more than there are cells; null for options and whole numbers, which have a cell each. */
  edges: number[] | null;
  /** What the cells are of, for options and whole numbers. */
  options: string[] | null;
  counts: number[];
  /** How many of them are among those given as good. */
  good: number[];
  /** In how many trials the parameter was active. */
  active: number;
}

const CELLS = 24;

export function coverage(
  parameter: Declared,
  column: Pick<Column, "data" | "kind" | "options">,
  good: ReadonlySet<number>,
): Coverage {
  const { place, ...cells } = cellsOf(parameter, column);
  const size = cells.options?.length ?? CELLS;
  const found: Coverage = { ...cells, counts: new Array(size).fill(0), good: new Array(size).fill(0), active: 0 };
  const nothing = missing(column);
  column.data.forEach((value, row) => {
    if (value === nothing || Number.isNaN(value)) return;
    const cell = Math.min(size - 1, Math.max(0, Math.floor(place(value))));
    found.counts[cell]++;
    found.active++;
    if (good.has(row)) found.good[cell]++;
  });
  return found;
}

interface Cells {
  edges: number[] | null;
  options: string[] | null;
  /** In which cell a value lies, before the decimal point. */
  place: (value: number) => number;
}

function cellsOf({ kind, low = 0, high = 1, log }: Declared, { options }: Pick<Column, "options">): Cells {
  if (options) return { edges: null, options: [...options], place: (code) => code };
  if (kind === "int" && high - low < CELLS) {
    const values = Array.from({ length: high - low + 1 }, (_, i) => String(low + i));
    return { edges: null, options: values, place: (value) => value - low };
  }
  const [to, from] = log ? [Math.log, Math.exp] : [(v: number) => v, (v: number) => v];
  const [first, span] = [to(low), to(high) - to(low) || 1];
  return {
    edges: Array.from({ length: CELLS + 1 }, (_, i) => from(first + (span * i) / CELLS)),
    options: null,
    place: (value) => ((to(value) - first) / span) * CELLS,
  };
}

/** The tenth of the trials with the best values, at least one. */
export function bestTenth(values: ArrayLike<number>, isMaximal: boolean): Set<number> {
  const known = Array.from({ length: values.length }, (_, row) => row).filter((row) => Number.isFinite(values[row]));
  known.sort((a, b) => (isMaximal ? values[b] - values[a] : values[a] - values[b]));
  return new Set(known.slice(0, Math.ceil(known.length / 10)));
}
