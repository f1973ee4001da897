// Trade-offs as they are drawn: pairs of objectives, and the steps between the points of a front.

/** All pairs of the indices 0 to n − 1, the first of a pair being the smaller one. */
export function pairs(n: number): [number, number][] {
  return Array.from({ length: n }, (_, a) =>
    Array.from({ length: n - a - 1 }, (_, b): [number, number] => [a, a + b + 1]),
  ).flat();
}

/**
 * The corners of the line that parts what a front of two objectives reaches from what it does not: between two of its
 * points stands the worse of both in each objective, which is what the front is sure to offer. Of `points` only those
 * count that no other one beats in these two objectives. `maximize` says which of the two are to be large.
 */
export function staircase(
  points: readonly (readonly [number, number])[],
  maximize: readonly [boolean, boolean],
): [number, number][] {
  const [x, y] = maximize.map((up) => (up ? -1 : 1)) as [number, number];
  const sorted = points.map(([a, b]) => [a * x, b * y] as const).sort((p, q) => p[0] - q[0] || p[1] - q[1]);
  const corners: [number, number][] = [];
  let lowest = Infinity;
  for (const [a, b] of sorted) {
    if (!(b < lowest)) continue;
    if (corners.length) corners.push([a, lowest]);
    corners.push([a, b]);
    lowest = b;
  }
  return corners.map(([a, b]) => [a * x, b * y]);
}
