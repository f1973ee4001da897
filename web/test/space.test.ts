import { expect, test } from "vitest";
import { condition, type Declared, floats, type Node, range, tree } from "../src/space.js";

const when = (parent: string, ...values: string[]) => ({ parent, values });
const model: Declared = { name: "model", kind: "choice", options: ["svm", "forest", "ReLU"], when: [] };
const C: Declared = { name: "svm.C", kind: "float", low: 1e-3, high: 1e3, log: true, when: [when("model", "svm")] };
const kernel: Declared = { name: "kernel", kind: "choice", options: ["rbf", "poly"], when: [when("model", "svm")] };
const degree: Declared = {
  name: "degree",
  kind: "int",
  low: 2,
  high: 5,
  step: 1,
  when: [when("model", "svm"), when("kernel", "poly")],
};
const depth: Declared = {
  name: "depth",
  kind: "int",
  low: 2,
  high: 20,
  step: 2,
  when: [when("model", "forest", "ReLU")],
};
const seed: Declared = { name: "seed", kind: "boolean", options: [false, true], when: [] };

function outline(nodes: Node[], indent = ""): string[] {
  return nodes.flatMap(({ parameter, branches }) => [
    indent + parameter.name,
    ...branches.flatMap((branch) => [`${indent} [${branch.condition}]`, ...outline(branch.nodes, `${indent}  `)]),
  ]);
}

test("a parameter stands below the deepest parent that it depends on", () => {
  expect(outline(tree([model, C, kernel, degree, depth, seed]))).toEqual([
    "model",
    " [model is svm]",
    "  svm.C",
    "  kernel",
    "   [model is svm and kernel is poly]",
    "    degree",
    " [model is forest or ReLU]",
    "  depth",
    "seed",
  ]);
});

test("a parent that the space does not have makes a root", () => {
  expect(outline(tree([{ ...C, when: [when("gone", "1")] }]))).toEqual(["svm.C"]);
});

test("ranges and conditions in words", () => {
  expect(range(C)).toBe("float from 0.001 to 1000, log");
  expect(range(degree)).toBe("int from 2 to 5");
  expect(range(depth)).toBe("int from 2 to 20, in steps of 2");
  expect(range(model)).toBe("one of svm, forest, ReLU");
  expect(range(seed)).toBe("true or false");
  expect(range({ name: "width", kind: "ordinal", options: [16, null], when: [] })).toBe("in order: 16, null");
  expect(condition(degree)).toBe("model is svm and kernel is poly");
  expect(condition(seed)).toBe("");
});

test("which parameters are real numbers", () => {
  expect([...floats([model, C, degree])]).toEqual(["svm.C"]);
});
