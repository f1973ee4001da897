import { expect, it } from "vitest";
import { ancestry, forks, members, ranked, way, type Stretch } from "../src/layout/family.js";

const stretch = (number: number, parent: number | null, start: number, end: number): Stretch => ({
  number,
  parent,
  start,
  end,
});

// Two members of ten steps; the second is replaced by a copy of the first, whose copy goes on.
const population = [stretch(0, null, 0, 20), stretch(1, null, 0, 10), stretch(2, 0, 10, 20), stretch(3, 2, 20, 30)];

it("follows checkpoints back to the beginning", () => {
  expect(ancestry(population, 3)).toEqual([0, 2, 3]);
  expect(ancestry(population, 1)).toEqual([1]);
  expect(ancestry(population, 9)).toEqual([]);
});

it("leaves a parent where its copy went on", () => {
  expect(way(population, [0, 2, 3])).toEqual([
    [0, 0, 10],
    [2, 10, 20],
    [3, 20, 30],
  ]);
  expect(way(population, [])).toEqual([]);
});

it("ends where a log runs in a circle", () => {
  expect(ancestry([stretch(0, 1, 0, 1), stretch(1, 0, 1, 2)], 0)).toEqual([1, 0]);
});

it("gives a copy the row of whom it replaced", () => {
  const { row, rows } = members(population);
  expect(rows).toBe(2);
  expect(row[2]).toBe(row[1]);
});

it("joins each copy to its parent, and none to a parent that is not there", () => {
  expect(forks(population)).toEqual([
    [0, 2],
    [2, 3],
  ]);
  expect(forks([stretch(5, 4, 10, 20)])).toEqual([]);
});

it("lets no two members share a row at a step", () => {
  const many = Array.from({ length: 200 }, (_, i) => stretch(i, null, (i * 37) % 90, ((i * 37) % 90) + 1 + (i % 7)));
  const { row } = members(many);
  many.forEach((a, i) =>
    many.slice(0, i).forEach((b, k) => {
      if (row[i] === row[k]) expect(a.start >= b.end || b.start >= a.end).toBe(true);
    }),
  );
});

it("colours by rank: equal values share one, and the best is the best however many reach it", () => {
  const best = 0.04;
  const share = ranked([best, best, 0.23, 0.39, best, NaN], false);
  expect([best, 0.23, 0.39].map(share)).toEqual([1, 0.5, 0]);
  expect(ranked([1, 2, 2], true)(2)).toBe(1);
  expect(ranked([best, best], false)(best)).toBe(1);
  expect(share(NaN)).toBeNaN();
});
