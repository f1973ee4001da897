// What tests may look at: how much is selected and drawn, at which revision, and how long things took on the main thread.

export interface Hook {
  revision: number;
  trials: number;
  selected: number;
  /** Marks drawn last, per plot. */
  drawn: Record<string, number>;
  /** Milliseconds of the last run of a piece of work: decode, select, draw, hover. */
  took: Record<string, number>;
}

export const hook: Hook = { revision: 0, trials: 0, selected: 0, drawn: {}, took: {} };
(globalThis as { __kilter?: Hook }).__kilter = hook;

export function timed<T>(name: string, work: () => T): T {
  const start = performance.now();
  try {
    return work();
  } finally {
    hook.took[name] = performance.now() - start;
  }
}
