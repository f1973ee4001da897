// The declared space: as a tree, in which what is active under an option stands below it, and in words.
import type { Plain } from "./configuration.js";

/** A parameter as the server declares it; `when` is empty where it is always active. */
export interface Declared {
  name: string;
  kind: string;
  when: { parent: string; values: Plain[] }[];
  low?: number;
  high?: number;
  log?: boolean;
  step?: number;
  options?: Plain[];
  default?: Plain;
  prior?: [Plain, string];
  /** Of a compound: the columns that there are of it. */
  parts?: Declared[];
}

export interface Node {
  parameter: Declared;
  branches: Branch[];
}

/** What is active below a parameter under some of its values. */
export interface Branch {
  condition: string;
  nodes: Node[];
}

/** The parameters as a tree; one with several conditions stands below the deepest of its parents, and names them all. */
export function tree(space: readonly Declared[]): Node[] {
  const nodes = new Map<string, Node>(space.map((parameter) => [parameter.name, { parameter, branches: [] }]));
  const roots: Node[] = [];
  for (const node of nodes.values()) {
    const parent = parentsOf(node, nodes).sort((a, b) => depth(b, nodes) - depth(a, nodes))[0];
    if (parent) branchOf(parent, condition(node.parameter)).nodes.push(node);
    else roots.push(node);
  }
  return roots;
}

function parentsOf(node: Node, nodes: ReadonlyMap<string, Node>): Node[] {
  return node.parameter.when.map(({ parent }) => nodes.get(parent)).filter((parent) => parent !== undefined);
}

function depth(node: Node, nodes: ReadonlyMap<string, Node>): number {
  return 1 + Math.max(-1, ...parentsOf(node, nodes).map((parent) => depth(parent, nodes)));
}

function branchOf(parent: Node, words: string): Branch {
  const known = parent.branches.find((branch) => branch.condition === words);
  if (known) return known;
  const branch: Branch = { condition: words, nodes: [] };
  parent.branches.push(branch);
  return branch;
}

/** In words when a parameter is active, such as "optimizer is sgd or adam"; empty where it always is. */
export function condition(parameter: Declared): string {
  return parameter.when.map(({ parent, values }) => `${parent} is ${values.map(shown).join(" or ")}`).join(" and ");
}

/** What values a parameter has, in a few words. */
export function range({ kind, low, high, log, step, options = [] }: Declared): string {
  if (low !== undefined && high !== undefined) {
    const steps = step !== undefined && step !== null && step !== 1 ? `, in steps of ${step}` : "";
    return `${kind} from ${low} to ${high}${log ? ", log" : ""}${steps}`;
  }
  if (kind === "boolean") return "true or false";
  return options.length ? `${kind === "ordinal" ? "in order: " : "one of "}${options.map(shown).join(", ")}` : kind;
}

export function shown(value: Plain): string {
  return value === null ? "null" : Array.isArray(value) ? `[${value.map(shown).join(", ")}]` : String(value);
}

/** The names of the parameters that are real numbers. */
export function floats(space: readonly Declared[]): Set<string> {
  return new Set(space.filter(({ kind }) => kind === "float" || kind === "simplex").map(({ name }) => name));
}
