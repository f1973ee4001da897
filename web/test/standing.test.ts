import { expect, test } from "vitest";
import { usedShare } from "../src/standing.js";

const half = { trials: 10, used: 5, seconds: null };

test("how much of the budget is used", () => {
  expect(usedShare(half)).toBe(0.5);
  expect(usedShare({ trials: null, used: 5, seconds: 60 })).toBeNaN();
  expect(usedShare(null)).toBeNaN();
});
