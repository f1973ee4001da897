import { expect, test } from "vitest";
import { standing, usedShare } from "../src/standing.js";

const idle = { control: "running", workers: 0, running: 0, budget: null } as const;
const half = { trials: 10, used: 5, seconds: null };

test("a wish of the user's goes before what is seen, and what cannot be read before both", () => {
  expect(standing({ ...idle, workers: 2, running: 2 })).toBe("running");
  expect(standing({ ...idle, control: "paused", workers: 2, running: 2 })).toBe("paused");
  expect(standing({ ...idle, control: "stopped" })).toBe("stopped");
  expect(standing({ ...idle, control: "paused", isReadable: false })).toBe("unreadable");
});

test("without a worker: stalled while trials are marked as running, done when the budget is used up, else idle", () => {
  expect(standing({ ...idle, running: 1 })).toBe("stalled");
  expect(standing({ ...idle, budget: { ...half, used: 10 } })).toBe("done");
  expect(standing({ ...idle, budget: half })).toBe("idle");
  expect(standing(idle)).toBe("idle");
});

test("how much of the budget is used", () => {
  expect(usedShare(half)).toBe(0.5);
  expect(usedShare({ trials: null, used: 5, seconds: 60 })).toBeNaN();
  expect(usedShare(null)).toBeNaN();
});
