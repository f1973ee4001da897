import { describe, expect, it } from "vitest";
import { complete, type Field, parseQuery, QueryError, spelled } from "../src/query.js";

const fields: Field[] = [
  { name: "number", values: [0, 1, 2, 3] },
  { name: "value", values: [0.91, 0.95, NaN, 0.99] },
  { name: "lr", values: Float32Array.from([0.1, 1e-3, 1e-4, NaN]) },
  { name: "model", values: [0, 1, 1, NaN], options: ["svm", "forest"] },
  { name: "batch", values: [0, 1, 2, 0], options: ["16", "32", "64"] },
  { name: "optimizer", values: [0, 1, NaN, 0], options: ["adam", "None"] },
  { name: "weight decay", values: [1, 2, 3, 4] },
];
const ask = (text: string): number[] => {
  const mask = parseQuery(text)(new Map(fields.map((f) => [f.name, f])), 4);
  return [...mask.keys()].filter((i) => mask[i] === 1);
};

describe("a query", () => {
  it.each([
    ["value > .95", [3]],
    ["value >= 0.95", [1, 3]],
    ["value <= 0.95", [0, 1]],
    ["value < 0.95", [0]],
    ['value > .9 and lr < 1e-2 and model = "forest"', [1]],
    ["model = svm or model = forest", [0, 1, 2]],
    ["not model = svm", [1, 2, 3]],
    ["model != svm", [1, 2]],
    ["model ~ FOR", [1, 2]],
    ['model in ["svm"]', [0]],
    ["batch >= 32", [1, 2]],
    ["1e-4 <= lr < 0.1", [1, 2]],
    ["lr = 0.1", [0]],
    ["lr", [0, 1, 2]],
    ["not lr", [3]],
    ["lr = none", [3]],
    ["lr != NONE", [0, 1, 2]],
    ["model = none or model = svm", [0, 3]],
    ["model in [svm, none]", [0, 3]],
    ["optimizer = none", [1]],
    ["`weight decay` > 2", [2, 3]],
    ["(value > .9 or number = 2) and not (model = svm)", [1, 2, 3]],
    ["NUMBER in [0, 3]".toLowerCase(), [0, 3]],
    ["value < lr", []],
    ["0.95 < value", [3]],
  ])("%s", (text, rows) => expect(ask(text)).toEqual(rows));

  it.each([
    ["valu > 1", /no "valu"/, 0],
    ["lrr < 3", /There is no "lrr" in this study\. Did you mean lr\?/, 0],
    ["wieght < 3 or mdoel = svm", /no "wieght" in this study\.$/, 0],
    ["mdoel = svm", /Did you mean model\?/, 0],
    ["svm", /Did you mean model = "svm"\?/, 0],
    ["`weight dekay` > 1", /Did you mean `weight decay`\?/, 0],
    ['model = "rmsprop"', /"model" has no "rmsprop"\. There is svm, forest\./, 8],
    ["model != forrest", /"model" has no "forrest"\. Did you mean "forest"\?/, 9],
    ["lr < none", /not < none/, 5],
    ["value >", /missing at the end/, 7],
    ["value > 1 lr < 2", /"and" or "or"/, 10],
    ["(value > 1", /"\)" is missing/, 10],
    ['value > "big"', /is a number/, 8],
    ['value > "open', /quotes/, 8],
    ["lr ~ 3", /for texts/, 5],
    ["1 < 2", /a name on one side/, 0],
  ])("%s says what is wrong and where", (text, message, at) => {
    const error = (() => {
      try {
        return ask(text);
      } catch (e) {
        return e as QueryError;
      }
    })();
    expect(error).toBeInstanceOf(QueryError);
    expect((error as QueryError).message).toMatch(message);
    expect((error as QueryError).at).toBe(at);
  });

  it("asks for every name as it is spelled", () => {
    for (const name of ["lr", "weight decay", "and", "ünï", "<b>", "a.b"]) {
      const mask = parseQuery(`${spelled(name)} > 0`)(new Map([[name, { name, values: [1] }]]), 1);
      expect([...mask]).toEqual([1]);
    }
  });
});

describe("completion", () => {
  const labels = (text: string) => complete(text, text.length, fields).map((c) => c.label);
  it("offers names, comparisons, options and what joins", () => {
    expect(labels("")).toContain("value");
    expect(labels("mo")).toEqual(["model"]);
    expect(labels("model ")).toContain("=");
    expect(labels("model = ")).toEqual(["svm", "forest", "none"]);
    expect(labels("batch = ")).toEqual(["16", "32", "64"]);
    expect(labels("lr = ")).toEqual(["none"]);
    expect(labels('model in ["svm", ')).toEqual(["svm", "forest"]);
    expect(labels("lr < 1 ")).toEqual(["and", "or"]);
    expect(labels("lr < 1 and wei")).toEqual(["weight decay"]);
  });
  it("replaces what was typed", () => {
    expect(complete("lr < 1 and wei", 14, fields)[0]).toMatchObject({ insert: "`weight decay`", from: 11, to: 14 });
  });
});
