import { describe, expect, it } from "vitest";
import { ago, count, duration, gain, logTicks, number, pace, percent, ticks, visible } from "../src/format.js";
import { type Axis, robust, scale, sides } from "../src/plots/scale.js";

describe("numbers", () => {
  it.each([
    [0.97777777, "0.9778"],
    [0.5, "0.5"],
    [1e-4, "0.0001"],
    [0.0000794, "7.94e-5"],
    [12345678, "1.235e7"],
    [512, "512"],
    [-0.25, "−0.25"],
    [NaN, "–"],
    [Infinity, "∞"],
    [-Infinity, "−∞"],
    [0, "0"],
    [123456, "123456"],
    [1234.567, "1235"],
    [0.00999999, "0.01"],
  ])("%d is %s", (value, text) => expect(number(value)).toBe(text));
  it("counts, shares, durations", () => {
    expect([count(100000), count(12), percent(0.37), percent(0.0042), percent(1)]).toEqual([
      "100,000",
      "12",
      "37 %",
      "0.42 %",
      "100 %",
    ]);
    expect([0.012, 3.4, 64, 3600, 12000, 187200, -5].map(duration)).toEqual([
      "12 ms",
      "3.4 s",
      "1 min 4 s",
      "1 h",
      "3 h 20 min",
      "2 d 4 h",
      "−5 s",
    ]);
    expect([ago(100, 100.5), ago(100, 580), ago(200, 140), ago(0, 90000)]).toEqual([
      "now",
      "8 min ago",
      "in 1 min",
      "1 d ago",
    ]);
  });
  it("shows what cannot be seen", () => expect(visible("a\u202eb\x1b[31m\n")).toBe("a\\u{202e}b\\u{1b}[31m\\u{a}"));
});

describe("ticks", () => {
  const labels = (all: { label: string }[]) => all.map((t) => t.label);
  it("are round, and whole for whole numbers", () => {
    expect(labels(ticks(0, 1))).toEqual(["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
    expect(labels(ticks(1, 4, 5, true))).toEqual(["1", "2", "3", "4"]);
    expect(labels(ticks(0, 50_000))).toEqual(["0", "10k", "20k", "30k", "40k", "50k"]);
  });
  it("of a log axis are powers of ten, and never 0.0000100", () => {
    expect(labels(logTicks(1e-5, 1))).toEqual(["1e-5", "1e-4", "0.001", "0.01", "0.1", "1"]);
    expect(logTicks(20, 60).length).toBeGreaterThan(1);
  });
  it("lie within the ends, however these are", () => {
    for (const [low, high] of [
      [0, 1e-9],
      [-3, 7e8],
      [0.4999, 0.5001],
      [1e300, 2e300],
      [5, 5],
      [-1e-12, 1e12],
    ])
      for (const tick of ticks(low, high)) {
        expect(tick.value).toBeGreaterThanOrEqual(low - 1e-6 * Math.abs(high - low));
        expect(tick.value).toBeLessThanOrEqual(high + 1e-6 * Math.abs(high - low));
      }
  });
});

it("a gain is positive, and a loss negative", () => {
  expect([0.4659, 0, -2].map(gain)).toEqual(["+0.4659", "0", "−2"]);
});

describe("scales", () => {
  it.each<Axis>([
    { label: "", kind: "linear", low: -2, high: 7 },
    { label: "", kind: "log", low: 1e-5, high: 10 },
    { label: "", kind: "category", low: 0, high: 2, options: ["a", "b", "c"] },
    { label: "", kind: "integer", low: 3, high: 3 },
  ])("go there and back: $kind", (axis) => {
    const s = scale(axis, 40, 400);
    for (const pixel of [40, 100, 399]) expect(s.at(s.invert(pixel))).toBeCloseTo(pixel, 6);
  });
  it("leave disasters out, never the best", () => {
    const values = [...Array.from({ length: 100 }, (_, i) => i / 100), 1e9, -50];
    expect(robust(values, "low")).toMatchObject({ low: -50, outliers: 1 });
    expect(robust(values, "high").high).toBe(1e9);
    expect(robust(values).outliers).toBe(2);
  });
  it("say at which end outliers lie", () => {
    const values = [...Array.from({ length: 100 }, (_, i) => i / 100), 1e9, -50];
    const told = (keep: "low" | "high" | null) => sides({ label: "", kind: "linear", ...robust(values, keep) });
    expect([told("low"), told("high"), told(null)]).toEqual(["▲", "▼", "▲ ▼"]);
  });
  it.each(["low", "high", null] as const)("leave few out, keep %s", (keep) => {
    for (const bad of [0, 3, 10, 34, 90])
      for (const far of [-1e6, -0.5, 3, 1e6]) {
        const values = Array.from({ length: 200 }, (_, i) => (i < bad ? far + i * far : 1 + i / 200));
        expect(robust(values, keep).outliers).toBeLessThanOrEqual(10);
        expect(robust(values, keep, 1).outliers).toBeGreaterThanOrEqual(robust(values, keep).outliers);
      }
  });
  it("show a corner where a sixth of the trials ended", () => {
    const values = Array.from({ length: 200 }, (_, i) => (i < 34 ? 0.08 + i / 200 : 0.9 + i / 4000));
    expect(robust(values, "high")).toMatchObject({ low: 0.08, outliers: 0 });
  });
});

it("a pace is told in the unit that is easy to picture", () => {
  expect([0.5, 12, 15156, 1.86e7, NaN].map(pace)).toEqual([
    "0.5 an hour",
    "12 an hour",
    "253 a minute",
    "5167 a second",
    "–",
  ]);
});
