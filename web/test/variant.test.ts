import { expect, test } from "vitest";
import type { Declared } from "../src/space.js";
import { active, differences, filled, parsed, texts } from "../src/variant.js";

const model: Declared = { name: "model", kind: "choice", options: ["svm", "forest", null], when: [] };
const C: Declared = {
  name: "C",
  kind: "float",
  low: 1e-3,
  high: 1e3,
  log: true,
  when: [{ parent: "model", values: ["svm"] }],
};
const kernel: Declared = {
  name: "kernel",
  kind: "choice",
  options: ["rbf", "poly"],
  when: [{ parent: "model", values: ["svm"] }],
};
const degree: Declared = {
  name: "degree",
  kind: "int",
  low: 2,
  high: 5,
  when: [{ parent: "kernel", values: ["poly"] }],
};
const warm: Declared = { name: "warm", kind: "boolean", options: [false, true], when: [] };
const space = [model, C, kernel, degree, warm];
const names = (parameters: Declared[]) => parameters.map(({ name }) => name);

test("what is active follows what was typed, through parents that are not", () => {
  expect(names(active(space, { model: "svm", kernel: "poly" }))).toEqual(["model", "C", "kernel", "degree", "warm"]);
  expect(names(active(space, { model: "forest", kernel: "poly" }))).toEqual(["model", "warm"]);
});

test("values of their kinds, and in words what is none", () => {
  expect(parsed(C, "1e-2")).toEqual({ value: 0.01 });
  expect(parsed(C, " ")).toEqual({ error: "Give a number: float from 0.001 to 1000, log." });
  expect(parsed(C, "1e4")).toEqual({ error: "Out of range: float from 0.001 to 1000, log." });
  expect(parsed(degree, "2.5")).toEqual({ error: "Give a whole number: int from 2 to 5." });
  expect(parsed(model, "null")).toEqual({ value: null });
  expect(parsed(model, "svn")).toEqual({ error: "Choose one of svm, forest, null." });
  expect(parsed(warm, "false")).toEqual({ value: false });
  expect(parsed({ name: "mix", kind: "simplex", when: [] }, "[0.5, 0.5]")).toEqual({ value: [0.5, 0.5] });
});

test("a form makes a configuration of what is active, and leaves what is empty to the sampler", () => {
  const typed = { ...texts({ model: "svm", C: 1, kernel: "rbf", warm: true }), degree: "99" };
  expect(filled(space, typed)).toEqual({ params: { model: "svm", C: 1, kernel: "rbf", warm: true } });
  expect(filled(space, { ...typed, C: "" })).toEqual({ params: { model: "svm", kernel: "rbf", warm: true } });
  expect(filled(space, { ...typed, kernel: "poly" })).toEqual({ errors: { degree: "Out of range: int from 2 to 5." } });
});

test("conditions that go in a circle never hold", () => {
  const one: Declared = { ...warm, name: "a", when: [{ parent: "b", values: [true] }] };
  const other: Declared = { ...warm, name: "b", when: [{ parent: "a", values: [true] }] };
  expect(active([one, other], { a: "true", b: "true" })).toEqual([]);
});

test("differences name what either has", () => {
  expect(differences({ lr: 0.1, depth: 3 }, { depth: 3, width: 8 })).toEqual([
    { name: "lr", value: 0.1, other: undefined, isSame: false },
    { name: "depth", value: 3, other: 3, isSame: true },
    { name: "width", value: undefined, other: 8, isSame: false },
  ]);
});

test("parameters that are called as what every object has", () => {
  const strange: Declared[] = ["__proto__", "constructor"].map((name) => ({
    name,
    kind: "int",
    low: 0,
    high: 9,
    when: [],
  }));
  const answer = filled(strange, Object.fromEntries([["__proto__", "3"]]));
  expect(answer).toEqual({ params: Object.fromEntries([["__proto__", 3]]) });
  expect(differences(JSON.parse('{"__proto__": 3}'), {})).toEqual([
    { name: "__proto__", value: 3, other: undefined, isSame: false },
  ]);
  expect(differences({ constructor: 1 } as never, {})[0].other).toBeUndefined();
});
