// TrialState by name and number.

/** The server's names, at their numbers. */
const NAMES = ["RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING", "PAUSED"];

export const stateNumber = (name: string): number => NAMES.indexOf(name);

/** Counts by name, such as a summary's, at the states' numbers. */
export const countsOf = (states: Readonly<Record<string, number>>): number[] => NAMES.map((name) => states[name] ?? 0);
