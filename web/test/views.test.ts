// What pages make of the server's answers, without a browser.
import { describe, expect, it } from "vitest";
import { type Curves, picture, timed } from "../src/pages/curves.js";
import { type Duel, sentences, unlike, usualGroup } from "../src/pages/compare.js";
import { together } from "../src/pages/explore.js";
import { spans, type Node } from "../src/pages/lineage.js";
import { gridAxis, judged, near, nearBoth, transposed } from "../src/pages/model.js";
import { busy, failures, short, type Timeline } from "../src/pages/timeline.js";
import type { StudyRow } from "../src/types.js";

describe("curves", () => {
  const curve = (number: number, state: string) => ({ number, state, steps: [1, 2], values: [0.1, "NaN" as const] });
  const found: Curves = {
    metric: "loss",
    direction: "minimize",
    steps: [1, 2],
    quantiles: Array.from({ length: 5 }, () => [1, 2]),
    count: [3, 2],
    top: [curve(4, "COMPLETE"), curve(2, "COMPLETE")],
    chosen: [curve(7, "RUNNING"), curve(5, "PRUNED")],
    metrics: ["loss"],
  };

  it("shows the best, what runs with where it is heading, and what is selected", () => {
    const ahead = { horizon: 9, mean: 0.5, low: 0.4, high: 0.6, probability: 0.25 };
    const { curves, ribbons } = picture(found, new Map([[7, ahead]]), new Set([5]));
    expect(curves.map((c) => c.trial)).toEqual([undefined, 4, 2, 7, 7, 5]);
    expect(curves[4].xs).toEqual([2, 9]);
    expect(curves[4].label).toContain("better than the best with 25 %");
    expect(ribbons).toHaveLength(3);
  });

  it("spreads the seconds of a trial over its steps", () => {
    const { curves } = picture(found, new Map(), new Set([5]));
    const inTime = timed(curves, (trial) => (trial === 4 ? 2.5 : trial === 7 ? NaN : 1));
    expect(inTime.map((c) => c.trial)).toEqual([4, 2, 5]);
    expect(inTime[0].xs).toEqual([2.5, 5]);
  });

  it("leaves out who was asked for and is neither running nor selected any more", () => {
    expect(picture(found, new Map(), new Set()).curves.some((c) => c.trial === 5)).toBe(false);
  });
});

describe("compare", () => {
  const row = (name: string, direction: string) =>
    ({ name, summary: { objectives: [{ name: "loss", direction }] } }) as unknown as StudyRow;

  it("says why studies cannot be compared", () => {
    expect(unlike([row("a", "minimize"), row("b", "minimize")])).toBeNull();
    expect(unlike([row("a", "minimize"), row("b", "maximize")])).toContain("b is to maximize loss");
    expect(unlike([{ name: "c\u202e", summary: null, error: "locked" } as unknown as StudyRow])).toBe(
      "c\\u{202e} cannot be read: locked",
    );
  });

  it("groups by name where that makes groups", () => {
    expect(usualGroup(["tpe-1", "tpe-2", "random-1", "random-2"])).toBe("name");
    expect(usualGroup(["tpe seed 1", "tpe seed 2", "mlp"])).toBe("name");
    expect(usualGroup(["tpe-1", "tpe-2"])).toBe("study"); // of one group there is nothing to compare
    expect(usualGroup(["a", "b", "7", "8"])).toBe("study");
  });

  it("says once that single runs say nothing", () => {
    const duel = (test: string, verdict: string) => ({ test, verdict }) as Duel;
    const lone = [duel("none", "a and b"), duel("none", "a and c")];
    expect(sentences(lone)).toEqual([expect.stringMatching(/^In all of 2 pairs there is one run of each/)]);
    expect(sentences([...lone, duel("wilcoxon", "c is better")])).toEqual([
      "c is better",
      expect.stringMatching(/^In 2 of 3 pairs/),
    ]);
    expect(sentences(lone.slice(1))).toEqual(["a and c"]);
  });
});

describe("lineage", () => {
  const node = (number: number, start: number, end: number, generation: number) =>
    ({ number, start, end, generation }) as Node;

  it("goes by steps where a copy went on, else by generations", () => {
    expect(spans([node(0, 0, 5, 0), node(1, 5, 5, 1)])).toMatchObject({
      label: "step",
      nodes: [{ end: 5 }, { start: 5, end: 6 }],
    });
    expect(spans([node(0, 0, 5, 0), node(1, 0, 5, 1)])).toMatchObject({
      label: "generation",
      nodes: [
        { start: 0, end: 1 },
        { start: 1, end: 2 },
      ],
    });
  });
});

describe("model", () => {
  it("counts trials at neighbouring values for a half, and options for themselves", () => {
    expect(near([0, 2, 0, 9])).toEqual([1 / 3, 2 / 3, 1, 1]);
    expect(near([0, 3, 0], true)).toEqual([0, 1, 0]);
    expect(
      nearBoth(
        [
          [0, 0, 0],
          [0, 3, 0],
          [0, 0, 0],
        ],
        [false, false],
      ),
    ).toEqual([
      [0.25, 0.5, 0.25],
      [0.5, 1, 0.5],
      [0.25, 0.5, 0.25],
    ]);
    expect(
      nearBoth(
        [
          [0, 3],
          [0, 0],
        ],
        [true, true],
      ),
    ).toEqual([
      [0, 1],
      [0, 0],
    ]);
    expect(
      transposed([
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ).toEqual([
      [1, 4],
      [2, 5],
      [3, 6],
    ]);
    expect(transposed([])).toEqual([]);
  });

  it("has axes for numbers, options, and texts that look like neither", () => {
    expect(gridAxis("lr", [1e-4, 1], true, false)).toMatchObject({ axis: { kind: "log" }, at: [1e-4, 1] });
    expect(gridAxis("depth", [1, 2, 5], false, false).axis.kind).toBe("integer");
    expect(gridAxis("opt", ["a", "b"], false, true)).toMatchObject({
      axis: { kind: "category", options: ["a", "b"] },
      at: [0, 1],
    });
    expect(gridAxis("norm", [false, true], false, false).axis.options).toEqual(["false", "true"]);
    expect(gridAxis("zero", [0, 0.5], true, false).axis.kind).toBe("linear");
  });

  it("judges predictions in words", () => {
    expect(judged({ r2: 0.9, coverage: 0.8 })).toBe("The surrogate predicts well.");
    expect(judged({ r2: 0.1, coverage: 0.5 })).toMatch(/poorly.*too sure of itself/);
    expect(judged({ r2: "NaN", coverage: 1 })).toContain("nothing to predict");
  });
});

it("does not count on for a trial that was left running", () => {
  const t = { lanes: [{}, {}], lane: [0, 1], starts: [0, 5], ends: [10, 1e6], states: [1, 0] } as unknown as Timeline;
  expect(busy(t)).toEqual([10, expect.closeTo(6)]);
});

it("leaves the middle of long names out", () => {
  expect(short("node-1", 14)).toBe("node-1");
  expect(short("node12.cluster.example.org-1042", 14)).toBe("node12…rg-1042");
});

it("groups failures by what they said, the most frequent first", () => {
  expect(failures([0, 1, 2, 2, 0], ["", "a", "b"])).toEqual([
    { text: "b", trials: [2, 3] },
    { text: "a", trials: [1] },
  ]);
});

it("opens a pair that some trial has both of", () => {
  const column = (name: string, ...values: number[]) =>
    ({ key: name, kind: "param", name, data: Float32Array.from(values) }) as const;
  const [beta, momentum, lr] = [column("beta", 1, NaN), column("momentum", NaN, 1), column("lr", 1, 1)];
  expect(together([beta, momentum, lr])).toEqual([beta, lr]);
  expect(together([beta, momentum])).toBeUndefined();
});
