import { expect, it } from "vitest";
import { distribution } from "../src/layout/distribution.js";

it("counts values that are at least as good", () => {
  expect(distribution([3, 1, 2, 4], false)).toEqual({ xs: [1, 2, 3, 4], ys: [0.25, 0.5, 0.75, 1] });
  expect(distribution([3, 1, 2, 4], true)).toEqual({ xs: [1, 2, 3, 4], ys: [1, 0.75, 0.5, 0.25] });
  expect(distribution([], true)).toEqual({ xs: [], ys: [] });
});

it("keeps the ends of many", () => {
  const { xs, ys } = distribution(
    Array.from({ length: 10_001 }, (_, i) => i),
    false,
  );
  expect(xs.length).toBeLessThan(500);
  expect([xs[0], xs[xs.length - 1], ys[ys.length - 1]]).toEqual([0, 10_000, 1]);
});
