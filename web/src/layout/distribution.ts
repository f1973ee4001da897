// How values are spread: the share of them that is at least as good as each.

const POINTS = 400;

/** Ascending values and, for each, the share of all that is at least as good; of many every n-th, the last included. */
export function distribution(values: ArrayLike<number>, maximize: boolean): { xs: number[]; ys: number[] } {
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  const [xs, ys]: [number[], number[]] = [[], []];
  const every = Math.max(1, Math.floor(n / POINTS));
  for (let i = 0; i < n; i++) {
    if (i % every !== 0 && i !== n - 1) continue;
    xs.push(sorted[i]);
    ys.push(maximize ? (n - i) / n : (i + 1) / n);
  }
  return { xs, ys };
}
