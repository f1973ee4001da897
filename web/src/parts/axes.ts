// Axes and labels for columns of trials: log where the parameter is log, integers for whole numbers, options by name.
import { duration, number, plural, visible } from "../format.js";
import { extent, padded, robust, type Axis } from "../plots/scale.js";
import { STATES } from "../plots/colours.js";
import { type Column, num } from "../protocol.js";
import { numbers } from "../selection.js";
import { columns } from "../store.js";
import type { Objective, Parameter, Study } from "../types.js";

/** The declared parameter of a column, compounds' parts included. */
export function parameterOf(study: Study, name: string): Parameter | undefined {
  const inside = (all: readonly Parameter[]): Parameter | undefined => {
    for (const parameter of all) {
      const found = parameter.name === name ? parameter : inside(parameter.parts ?? []);
      if (found) return found;
    }
  };
  return inside(study.problem.space);
}

const isWhole = (values: ArrayLike<number>): boolean => {
  for (let i = 0; i < values.length; i++) if (values[i] % 1 !== 0 && values[i] === values[i]) return false;
  return true;
};

const made = new WeakMap<Column, Axis>();

/** The axis of a column. Objectives have the robust range, with their good end never cut. */
export function axisOf(column: Column, study: Study | null): Axis {
  const known = made.get(column) ?? measured(column, study);
  made.set(column, known);
  return known;
}

function measured(column: Column, study: Study | null): Axis {
  const values = numbers(column);
  const label = visible(column.name);
  const options = column.kind === "state" ? STATES : column.options;
  if (options) return { label, kind: "category", low: 0, high: options.length - 1, options };
  if (column.kind === "value") {
    const goal = study?.problem.objectives.find((o: Objective) => o.name === column.name);
    return padded({ label, kind: "linear", ...robust(values, goal?.direction === "minimize" ? "low" : "high") });
  }
  if (column.kind === "started" || column.kind === "seconds") {
    const [low, high] = extent(values);
    return padded({ label, kind: "duration", low, high });
  }
  const parameter = column.kind === "param" && study ? parameterOf(study, column.name) : undefined;
  const [low, high] = extent(values);
  if (parameter?.log && low > 0) return padded({ label, kind: "log", low, high });
  return padded({ label, kind: isWhole(values) ? "integer" : "linear", low, high });
}

/** A value of a column in words. */
export function tell(column: Column, row: number): string {
  const v = numbers(column)[row];
  if (Number.isNaN(v)) return "–";
  if (column.kind === "state") return STATES[v];
  if (column.options) return visible(column.options[v] ?? "–");
  return column.kind === "seconds" || column.kind === "started" ? duration(v) : number(v);
}

/** The same axis with a logarithmic scale, where all of its values are positive. */
export function logged(axis: Axis, values: ArrayLike<number>, wanted: boolean): Axis {
  if (!wanted || axis.kind !== "linear") return axis;
  const [low, high] = extent(values);
  return low > 0 ? padded({ ...axis, kind: "log", low, high, outliers: 0 }) : axis;
}

/** The values between which good trials are told from bad ones by colour: beyond the worst all look alike, however many these are. */
export function shaded(objective: Column, study: Study | null): { low: number; high: number; isMaximal: boolean } {
  const isMaximal = study?.problem.objectives.find((o) => o.name === objective.name)?.direction === "maximize";
  const { low, high } = robust(numbers(objective), isMaximal ? "high" : "low", 1);
  return { low, high, isMaximal };
}

/** How good each trial is, from 0 (at or beyond the worst of the robust range) to 1 (the best); NaN unknown. */
export function goodness(objective: Column, study: Study | null): Float32Array {
  const values = numbers(objective);
  const { low, high, isMaximal } = shaded(objective, study);
  const width = high - low || 1;
  return values.map((v) => Math.min(1, Math.max(0, (isMaximal ? v - low : high - v) / width)));
}

/** One sentence about the course of an objective. */
export function describe(objective: Column, study: Study | null): string {
  const summary = study?.summary;
  const best =
    summary?.best === null || summary?.best === undefined
      ? ""
      : ` The best is ${number(num(summary.value))}, of trial ${summary.best}.`;
  return `${visible(objective.name)} of ${plural(objective.data.length, "trial")}, in the order of the trials.${best}`;
}

const TOLD = 8;

/** What a tooltip says of a trial: its number, its values, and its first parameters. */
export function label(row: number): string {
  const all = columns.peek()?.columns ?? [];
  const state = all.find((c) => c.kind === "state");
  const values = all.filter((c) => c.kind === "value");
  const params = all.filter((c) => c.kind === "param" && !Number.isNaN(numbers(c)[row]));
  const lines = [...values, ...params.slice(0, TOLD)].map((c) => `${visible(c.name)}  ${tell(c, row)}`);
  const rest = params.length > TOLD ? [`and ${params.length - TOLD} more`] : [];
  return [`trial ${row}${state ? ` · ${tell(state, row)}` : ""}`, ...lines, ...rest].join("\n");
}
