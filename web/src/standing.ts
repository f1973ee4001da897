// In one word where a study stands, and how much of its budget is gone.
import type { Budget, Control } from "./types.js";

export type Standing = "running" | "paused" | "stopped" | "done" | "stalled" | "idle" | "unreadable";

/** What a word of `standing` means, for who asks. */
export const MEANING: Record<Standing, string> = {
  running: "Workers evaluate trials.",
  paused: "No worker begins a trial until it goes on.",
  stopped: "Workers end what runs and begin nothing.",
  done: "The budget is used up.",
  stalled: "Trials are marked as running, but no worker is there.",
  idle: "No worker is there.",
  unreadable: "The study could not be read.",
};

interface Situation {
  control: Control;
  workers: number;
  running: number;
  budget: Budget | null;
  isReadable?: boolean;
}

export function standing({ control, workers, running, budget, isReadable = true }: Situation): Standing {
  if (!isReadable) return "unreadable";
  if (control !== "running") return control;
  if (workers > 0) return "running";
  if (running > 0) return "stalled";
  return usedShare(budget) >= 1 ? "done" : "idle";
}

/** The share of the budget of trials that is used; NaN without such a budget. */
export function usedShare(budget: Budget | null): number {
  return budget?.trials ? budget.used / budget.trials : NaN;
}
