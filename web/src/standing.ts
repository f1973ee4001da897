// What the word for how a study stands means, and how much of its budget is gone.
import type { Budget, Standing } from "./types.js";

/** What the server's word for how a study stands means, for who asks. */
export const MEANING: Record<Standing, string> = {
  running: "Workers evaluate trials.",
  paused: "No worker begins a trial until it goes on.",
  stopped: "Workers end what runs and begin nothing.",
  done: "It has what it was asked for.",
  stalled: "Trials are marked as running, but no worker is there.",
  idle: "No worker is there.",
  unreadable: "The study could not be read.",
};

/** The share of the budget of trials that is used; NaN without such a budget. */
export function usedShare(budget: Budget | null): number {
  return budget?.trials ? budget.used / budget.trials : NaN;
}
