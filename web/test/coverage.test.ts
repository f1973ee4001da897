import { expect, test } from "vitest";
import { bestTenth, coverage } from "../src/coverage.js";
import type { Declared } from "../src/space.js";

const param = (data: Float32Array | Uint8Array, options?: string[]) => ({ kind: "param" as const, data, options });
const lr: Declared = { name: "lr", kind: "float", low: 1e-4, high: 1, log: true, when: [] };

test("a log scale has cells of equal factors, and both ends are in", () => {
  const found = coverage(lr, param(Float32Array.of(1e-4, 1e-2, 1, NaN)), new Set([1]));
  expect(found.active).toBe(3);
  expect([found.counts[0], found.counts[12] + found.counts[11], found.counts[23]]).toEqual([1, 1, 1]);
  expect(found.edges?.[6]).toBeCloseTo(1e-3);
  expect(found.good.reduce((a, b) => a + b)).toBe(1);
});

test("options and few whole numbers have a cell each; what is not active counts nowhere", () => {
  const model: Declared = { name: "model", kind: "choice", options: ["svm", "forest"], when: [] };
  expect(coverage(model, param(Uint8Array.of(0, 1, 1, 255), ["svm", "forest"]), new Set())).toMatchObject({
    options: ["svm", "forest"],
    counts: [1, 2],
    active: 3,
  });
  const depth: Declared = { name: "depth", kind: "int", low: 2, high: 5, when: [] };
  expect(coverage(depth, param(Float32Array.of(2, 5, 5)), new Set([2]))).toMatchObject({
    options: ["2", "3", "4", "5"],
    counts: [1, 0, 0, 2],
    good: [0, 0, 0, 1],
  });
});

test("a range of one value", () => {
  const one: Declared = { name: "x", kind: "float", low: 2, high: 2, when: [] };
  expect(coverage(one, param(Float32Array.of(2, 2)), new Set()).active).toBe(2);
});

test("the best tenth, in either direction", () => {
  const values = Float32Array.from({ length: 20 }, (_, i) => i);
  expect([...bestTenth(values, true)]).toEqual([19, 18]);
  expect([...bestTenth(values, false)]).toEqual([0, 1]);
  expect([...bestTenth(Float32Array.of(NaN, Infinity), true)]).toEqual([]);
});
