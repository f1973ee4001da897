// A population as it grew: stretches of training, each begun with the checkpoint of its parent.

export interface Stretch {
  /** The number of the trial. */
  number: number;
  /** The trial whose checkpoint it began with; null for a beginning from scratch. */
  parent: number | null;
  /** Steps before the first and at the last of its own. */
  start: number;
  end: number;
}

/** The trials that led to one, the first of them first, itself last. */
export function ancestry(stretches: readonly Stretch[], number: number): number[] {
  const parents = new Map(stretches.map((stretch) => [stretch.number, stretch.parent]));
  const line = new Set<number>();
  for (let at: number | null | undefined = number; at != null && parents.has(at); at = parents.get(at)) {
    if (line.has(at)) break; // a log that was edited may say that a trial descends from itself
    line.add(at);
  }
  return [...line].reverse();
}

/** The row of each stretch: rows are members of the population, and a copy takes the first that has become free. */
export function members(stretches: readonly Stretch[]): { row: number[]; rows: number } {
  const row = new Array<number>(stretches.length);
  const free: number[] = []; // when each row is free again
  const order = stretches.map((_, i) => i).sort((a, b) => stretches[a].start - stretches[b].start || a - b);
  for (const i of order) {
    const found = free.findIndex((until) => until <= stretches[i].start);
    row[i] = found < 0 ? free.length : found;
    free[row[i]] = stretches[i].end;
  }
  return { row, rows: free.length };
}

/** The way to the last of `path`, as [trial, from, to]: each stretch up to where the next one went on from it. */
export function way(
  stretches: readonly Stretch[],
  path: readonly number[],
): [number: number, from: number, to: number][] {
  const at = new Map(stretches.map((stretch) => [stretch.number, stretch]));
  const known = path.flatMap((number) => at.get(number) ?? []);
  return known.map(({ number, start, end }, i) => [
    number,
    start,
    i + 1 < known.length ? Math.max(start, Math.min(end, known[i + 1].start)) : end,
  ]);
}

/** Pairs of indices (parent, child) of stretches whose parent is known, in the order of the children. */
export function forks(stretches: readonly Stretch[]): [parent: number, child: number][] {
  const at = new Map(stretches.map((stretch, i) => [stretch.number, i]));
  return stretches.flatMap((stretch, child) => {
    const parent = stretch.parent === null ? undefined : at.get(stretch.parent);
    return parent === undefined ? [] : [[parent, child] as [number, number]];
  });
}

/** How good a value is among others, from 0 to 1, by rank: a few disasters do not make all others alike, and equal values share a rank. */
export function ranked(values: readonly number[], isMaximal: boolean): (value: number) => number {
  const known = [...new Set(values.filter(Number.isFinite))].sort((a, b) => (isMaximal ? a - b : b - a));
  const place = new Map(known.map((value, i) => [value, known.length > 1 ? i / (known.length - 1) : 1]));
  return (value) => place.get(value) ?? NaN;
}
