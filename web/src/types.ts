// What the server answers, in the shapes that several pages read; a page keeps what it alone reads in its own file.
import type { Num } from "./protocol.js";

export interface Server {
  version: string;
  storage: string;
  read_only: boolean;
  studies: number;
}

export interface Objective {
  name: string;
  direction: "minimize" | "maximize";
}

export type Control = "running" | "paused" | "stopped";

/** How a study stands, in one word. */
export type Standing = "running" | "paused" | "stopped" | "done" | "stalled" | "idle" | "unreadable";

export interface Budget {
  trials: number | null;
  used: number;
  seconds: number | null;
}

export interface RunningTrial {
  number: number;
  started: Num;
  seconds: Num;
  step: number | null;
  value: Num;
  worker: string | null;
}

export interface Failures {
  kind: string;
  count: number;
  latest: number;
}

/** `analysis/summary.py`, in JSON; all values are in the objectives' own units. */
export interface Summary {
  objectives: Objective[];
  constraints: string[];
  trials: number;
  /** By the name of a state: RUNNING, COMPLETE, PRUNED, FAIL, WAITING, PAUSED. */
  states: Record<string, number>;
  forgiven: number;
  best: number | null;
  value: Num;
  params: Record<string, unknown> | null;
  front: number[];
  baseline: number | null;
  gain: Num;
  /** Trials that end in an hour. */
  rate: Num;
  seconds: Num;
  saved_share: Num;
  saved_seconds: Num;
  running: RunningTrial[];
  failures: Failures[];
  last_activity: Num;
  since_best: number;
  /** The best value so far at up to 40 even counts of trials. */
  progress: Num[];
}

export interface StudyRow {
  id: number;
  name: string;
  summary: Summary | null;
  control: Control;
  standing: Standing;
  workers: number;
  tags: string[];
  revision: number;
  budget: Budget | null;
  eta: Num;
  error?: string;
}

/** A declared parameter; a compound one has its parts, which are the columns that there are of it. */
export interface Parameter {
  name: string;
  kind: string;
  low?: Num;
  high?: Num;
  log?: boolean;
  step?: Num;
  options?: unknown[];
  default?: unknown;
  /** It is active where each of these parents has one of the values. */
  when: { parent: string; values: unknown[] }[];
  parts?: Parameter[];
  [more: string]: unknown;
}

export interface Problem {
  objectives: Objective[];
  constraints: { metric: string; relation: string; bound: number }[];
  fidelities: { name: string; low: number; high: number; eta: number }[];
  open: boolean;
  space: Parameter[];
  forbidden: Record<string, unknown[]>[];
}

export interface Worker {
  id: string;
  host: string;
  pid: number;
}

export interface Study {
  id: number;
  name: string;
  problem: Problem;
  summary: Summary;
  control: Control;
  standing: Standing;
  budget: Budget | null;
  eta: Num;
  /** Failures that count no more: tried again, of before a change of the objective, or invalidated. */
  forgiven: number[];
  workers: Worker[];
  tags: string[];
  note: string;
  attrs: Record<string, unknown>;
  /** How many earlier studies it learns from. */
  earlier: number;
  seed: number;
  sampler: string;
  scheduler: string;
  settings: { sampler: Record<string, unknown>; scheduler: Record<string, unknown> };
  created: Num;
  revision: number;
  versions: Record<string, string>;
}
