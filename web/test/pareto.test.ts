import { expect, it } from "vitest";
import { pairs, staircase } from "../src/layout/pareto.js";

it("pairs objectives", () => {
  expect(pairs(1)).toEqual([]);
  expect(pairs(2)).toEqual([[0, 1]]);
  expect(pairs(4)).toHaveLength(6);
});

it("steps through the worse of two neighbours", () => {
  expect(
    staircase(
      [
        [3, 1],
        [1, 3],
        [2, 2],
      ],
      [false, false],
    ),
  ).toEqual([
    [1, 3],
    [2, 3],
    [2, 2],
    [3, 2],
    [3, 1],
  ]);
  expect(
    staircase(
      [
        [1, 1],
        [2, 2],
      ],
      [true, true],
    ),
  ).toEqual([[2, 2]]);
  expect(
    staircase(
      [
        [0.9, 10],
        [0.8, 5],
      ],
      [true, false],
    ),
  ).toEqual([
    [0.9, 10],
    [0.8, 10],
    [0.8, 5],
  ]);
});

it("leaves out what another point beats, and is nothing of nothing", () => {
  expect(
    staircase(
      [
        [1, 1],
        [2, 2],
        [0, 5],
      ],
      [false, false],
    ),
  ).toEqual([
    [0, 5],
    [1, 5],
    [1, 1],
  ]);
  expect(staircase([], [false, false])).toEqual([]);
});
