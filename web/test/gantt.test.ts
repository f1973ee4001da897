import { describe, expect, it } from "vitest";
import { coverage, crowded, horizon, spanAt, type Spans } from "../src/layout/gantt.js";

const spans = (rows: [lane: number, from: number, to: number, state: number][]): Spans => ({
  lane: rows.map((row) => row[0]),
  from: rows.map((row) => row[1]),
  to: rows.map((row) => row[2]),
  states: rows.map((row) => row[3]),
});

/** Numbers that look like chance and are the same each time. */
function* chance(seed: number): Generator<number, never> {
  for (let x = seed; ;) yield (x = (x * 16807) % 2147483647) / 2147483647;
}

describe("coverage", () => {
  it("covers pixels by as much as the spans do", () => {
    const found = coverage(
      spans([
        [0, 0, 25, 0],
        [0, 25, 40, 1],
        [1, 90, 100, 0],
      ]),
      0,
      100,
      10,
      2,
      2,
    );
    const row = (lane: number, state: number) => {
      const at = (lane * 2 + state) * 10;
      return Array.from(found.slice(at, at + 10));
    };
    expect(row(0, 0)).toEqual([1, 1, 0.5, 0, 0, 0, 0, 0, 0, 0]);
    expect(row(0, 1)).toEqual([0, 0, 0.5, 1, 0, 0, 0, 0, 0, 0]);
    expect(row(1, 0)[9]).toBe(1);
    expect(row(1, 1).every((share) => share === 0)).toBe(true);
  });

  it("keeps the time that was spent, however wide the pixels are and however many overlap", () => {
    const next = chance(3);
    const rows = Array.from({ length: 500 }, (_, i): [number, number, number, number] => {
      const from = i * 2 + next.next().value;
      return [0, from, from + 9 * next.next().value, 0];
    });
    const spent = rows.reduce((sum, row) => sum + row[2] - row[1], 0);
    for (const width of [1, 7, 100, 3000]) {
      const covered = coverage(spans(rows), 0, 1010, width, 1, 1).reduce((sum, share) => sum + share, 0);
      expect((covered * 1010) / width).toBeCloseTo(spent, 0);
    }
  });

  it("cuts what sticks out of the window", () => {
    const found = coverage(
      spans([
        [0, -50, 5, 0],
        [0, 9, 500, 0],
      ]),
      0,
      10,
      2,
      1,
      1,
    );
    expect(Array.from(found)).toEqual([1, expect.closeTo(0.2)]);
  });
});

it("draws spans one by one while there is room for them", () => {
  const few = spans([
    [0, 0, 1, 0],
    [0, 2, 3, 0],
  ]);
  expect(crowded(few, 0, 10, 100, 1)).toBe(false);
  expect(crowded(few, 0, 10, 5, 1)).toBe(true);
  expect(crowded(few, 1.5, 10, 5, 1)).toBe(false);
});

it("finds the span under a pointer", () => {
  const three = spans([
    [0, 0, 5, 0],
    [0, 5, 6, 0],
    [1, 0, 9, 0],
  ]);
  expect(spanAt(three, 0, 5)).toBe(1);
  expect(spanAt(three, 0, 7)).toBe(-1);
  expect(spanAt(three, 0, 7, 1.5)).toBe(1);
  expect(spanAt(three, 1, 7)).toBe(2);
});

describe("horizon", () => {
  it("is the last end, and now while what runs has not outlived the rest", () => {
    expect(
      horizon(
        spans([
          [0, 0, 8, 1],
          [0, 8, 10, 1],
        ]),
        0,
      ),
    ).toBe(10);
    expect(
      horizon(
        spans([
          [0, 0, 10, 1],
          [1, 9, 10.5, 0],
        ]),
        0,
      ),
    ).toBe(10.5);
    expect(horizon(spans([[0, 0, 7, 0]]), 0)).toBe(7);
    expect(horizon(spans([]), 0)).toBe(0);
  });

  it("does not follow a trial that was left running for ever", () => {
    expect(
      horizon(
        spans([
          [0, 0, 10, 1],
          [1, 9, 1e7, 0],
        ]),
        0,
      ),
    ).toBeCloseTo(11);
  });
});
