// How a study came to its best: the best value so far, trial by trial.
import type { Line } from "../plots/Scatter.js";
import type { Column } from "../protocol.js";
import { numbers } from "../selection.js";
import type { Study } from "../types.js";
import { column } from "../store.js";

const COMPLETE = 1;

/** The steps at which an objective got better, over complete trials that meet the constraints. */
export function bestSoFar(objective: Column, study: Study | null): Line {
  const goal = study?.problem.objectives.find((o) => o.name === objective.name);
  const way = goal?.direction === "maximize" ? 1 : -1;
  const values = numbers(objective);
  const states = column("state")?.data;
  const violations = column("violation")?.data;
  const [xs, ys]: [number[], number[]] = [[], []];
  let best = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const able = (!states || states[i] === COMPLETE) && !((violations?.[i] ?? 0) > 0);
    if (!able || !(way * values[i] > best)) continue;
    best = way * values[i];
    xs.push(i);
    ys.push(values[i]);
  }
  if (xs.length > 0) {
    xs.push(values.length - 1);
    ys.push(ys[ys.length - 1]);
  }
  return { xs, ys, step: true };
}
