// A configuration as a form: which parameters are active, and what a text that was typed stands for.
import type { Configuration, Plain } from "./configuration.js";
import { type Declared, range, shown } from "./space.js";

export type Texts = Record<string, string>;
/** What a record has of this name itself; a parameter may be called as what every object has. */
export const own = <T>(of: Readonly<Record<string, T>> | null, name: string): T | undefined =>
  of && Object.hasOwn(of, name) ? of[name] : undefined;

export type Answer = { value: Plain } | { error: string };

/** The form of a configuration: a text for each parameter that it has. */
export function texts(params: Configuration): Texts {
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, shown(value)]));
}

/** The parameters that are active under what was typed, in the order of the space. */
export function active(space: readonly Declared[], typed: Texts): Declared[] {
  const known = new Map(space.map((parameter) => [parameter.name, parameter]));
  const holds = new Map<string, boolean>();
  const isActive = (name: string): boolean => {
    if (!holds.has(name)) {
      holds.set(name, false); // conditions that go in a circle never hold
      const when = known.get(name)?.when ?? [];
      holds.set(
        name,
        when.every(({ parent, values }) => values.map(shown).includes(own(typed, parent) ?? "") && isActive(parent)),
      );
    }
    return holds.get(name) as boolean;
  };
  return space.filter(({ name }) => isActive(name));
}

/** What a text stands for as a value of a parameter, or in words why it is none. */
export function parsed(parameter: Declared, text: string): Answer {
  const { kind, low, high, options } = parameter;
  if (options) return oneOf(options, text, parameter);
  if (low === undefined || high === undefined) return json(text);
  const value = text.trim() === "" ? NaN : Number(text);
  if (Number.isNaN(value)) return { error: `Give a number: ${range(parameter)}.` };
  if (kind === "int" && !Number.isInteger(value)) return { error: `Give a whole number: ${range(parameter)}.` };
  if (value < low || value > high) return { error: `Out of range: ${range(parameter)}.` };
  return { value };
}

function oneOf(options: readonly Plain[], text: string, parameter: Declared): Answer {
  const value = options.find((option) => shown(option) === text);
  return value === undefined ? { error: `Choose ${range(parameter)}.` } : { value };
}

function json(text: string): Answer {
  try {
    return { value: JSON.parse(text) as Plain };
  } catch {
    return { error: "Give a list, such as [1, 2]." };
  }
}

/** The configuration that the form stands for, or what is wrong with it by parameter. What is empty the sampler chooses. */
export function filled(
  space: readonly Declared[],
  typed: Texts,
): { params: Configuration } | { errors: Record<string, string> } {
  const params: [string, Plain][] = [];
  const errors: [string, string][] = [];
  for (const parameter of active(space, typed)) {
    const text = own(typed, parameter.name) ?? "";
    if (text === "" && !parameter.options?.includes("")) continue;
    const answer = parsed(parameter, text);
    if ("error" in answer) errors.push([parameter.name, answer.error]);
    else params.push([parameter.name, answer.value]);
  }
  return errors.length > 0 ? { errors: Object.fromEntries(errors) } : { params: Object.fromEntries(params) };
}

/** How a configuration differs from another: what either has, in the order of the first. */
export interface Difference {
  name: string;
  value: Plain | undefined;
  other: Plain | undefined;
  isSame: boolean;
}

export function differences(params: Configuration, others: Configuration | null): Difference[] {
  const names = new Set([...Object.keys(params), ...Object.keys(others ?? {})]);
  return [...names].map((name) => {
    const [value, other] = [own(params, name), own(others, name)];
    return { name, value, other, isSame: JSON.stringify(value) === JSON.stringify(other) };
  });
}
