// A configuration as text that can be pasted elsewhere, in the forms that `kilter best --format` prints.

/** Why a sampler chose a configuration, by the share of its promise that is owed to what is not known yet. */
export const chosenTo = (exploration: number): string =>
  exploration > 2 / 3
    ? "It is tried mainly to learn: little is known there."
    : exploration < 1 / 3
      ? "It is tried mainly because it is expected to be good."
      : "It is tried because it is expected to be good, and to learn.";

export type Plain = null | boolean | number | string | Plain[];
export type Configuration = Record<string, Plain>;

/** The names of the parameters whose values are written with a decimal point even where they are whole. */
export type Floats = ReadonlySet<string>;

export const FORMS = ["Python", "JSON", "YAML", "TOML", "Command line", "Environment"] as const;
export type Form = (typeof FORMS)[number];

export function written(form: Form, params: Configuration, floats: Floats): string {
  return WRITERS[form](params, floats);
}

const WRITERS: Record<Form, (params: Configuration, floats: Floats) => string> = {
  Python: dictionary,
  JSON: (params, floats) => json(nested(params), floats, ""),
  YAML: (params, floats) => yaml(nested(params), floats),
  TOML: (params, floats) => toml(nested(params), floats, []),
  "Command line": commandLine,
  Environment: environment,
};

function dictionary(params: Configuration, floats: Floats): string {
  const lines = Object.entries(params).map(
    ([name, value]) => `    ${quoted(name)}: ${python(value, floats.has(name))},\n`,
  );
  return lines.length ? `{\n${lines.join("")}}` : "{}";
}

// A branch of the tree is a map; a leaf knows the parameter that it is the value of.

interface Leaf {
  name: string;
  value: Plain;
}
type Tree = Map<string, Tree | Leaf>;

/** Parameters as a tree, cut at the dots of their names; flat where a name is also the beginning of another. */
function nested(params: Configuration): Tree {
  const names = Object.keys(params);
  const isFlat = names.some((name) => names.some((other) => other.startsWith(`${name}.`)));
  const root: Tree = new Map();
  for (const [name, value] of Object.entries(params)) {
    const path = isFlat ? [name] : name.split(".");
    const last = path.pop() as string;
    path.reduce(branch, root).set(last, { name, value });
  }
  return root;
}

function branch(tree: Tree, key: string): Tree {
  if (!tree.has(key)) tree.set(key, new Map());
  return tree.get(key) as Tree;
}

function json(tree: Tree, floats: Floats, indent: string): string {
  const inner = `${indent}  `;
  const lines = [...tree].map(([key, node]) => {
    const text = node instanceof Map ? json(node, floats, inner) : scalar(node, floats);
    return `${inner}${quoted(key)}: ${text}`;
  });
  return lines.length ? `{\n${lines.join(",\n")}\n${indent}}` : "{}";
}

function yaml(tree: Tree, floats: Floats, indent = ""): string {
  if (tree.size === 0) return "{}";
  const lines = [...tree].map(([key, node]) =>
    node instanceof Map
      ? `${indent}${bare(key)}:\n${yaml(node, floats, `${indent}  `)}`
      : `${indent}${bare(key)}: ${typeof node.value === "string" ? bare(node.value) : scalar(node, floats)}`,
  );
  return lines.join("\n");
}

/** A tree as TOML, which has no null: those entries are left out. */
function toml(tree: Tree, floats: Floats, path: string[]): string {
  const leaves = [...tree].filter((entry): entry is [string, Leaf] => !(entry[1] instanceof Map));
  const tables = [...tree].filter((entry): entry is [string, Tree] => entry[1] instanceof Map);
  const lines = leaves
    .filter(([, leaf]) => leaf.value !== null)
    .map(([key, leaf]) => `${tomlKey(key)} = ${scalar(leaf, floats)}`);
  if (path.length && (lines.length || !tables.length)) lines.unshift(`[${path.map(tomlKey).join(".")}]`);
  return [...lines, ...tables.map(([key, table]) => toml(table, floats, [...path, key]))].join("\n");
}

function tomlKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : quoted(key);
}

/** A value in the words that JSON, YAML and TOML share. */
function scalar({ name, value }: Leaf, floats: Floats): string {
  return shared(value, floats.has(name));
}

function shared(value: Plain, isFloat: boolean): string {
  if (Array.isArray(value)) return `[${value.map((item) => shared(item, isFloat)).join(", ")}]`;
  if (typeof value === "string") return quoted(value);
  return typeof value === "number" ? number(value, isFloat) : String(value);
}

function python(value: Plain, isFloat: boolean): string {
  if (Array.isArray(value)) return `[${value.map((item) => python(item, isFloat)).join(", ")}]`;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return shared(value, isFloat);
}

/** A number in full; 1e-7 has a point in its mantissa, since YAML reads it as text otherwise. */
function number(value: number, isFloat: boolean): string {
  const [mantissa, exponent] = String(value).split("e") as [string, string | undefined];
  const pointed = mantissa.includes(".") || (!isFloat && exponent === undefined) ? mantissa : `${mantissa}.0`;
  return exponent === undefined ? pointed : `${pointed}e${exponent}`;
}

/** Text between double quotes, with escapes for what is no character to print: Python, JSON, YAML and TOML read it. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(UNSEEN, escape);
}

const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

function escape(character: string): string {
  if (character.length > 1) return character; // beyond \uXXXX; JSON and TOML write those differently
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Text as YAML has it without quotes, where it would be read as that text. */
function bare(text: string): string {
  const isPlain = /^[A-Za-z_][A-Za-z0-9_./-]*$/.test(text) && !/^(y|n|yes|no|on|off|true|false|null)$/i.test(text);
  return isPlain ? text : quoted(text);
}

// For the shell.

function commandLine(params: Configuration, floats: Floats): string {
  return Object.entries(params)
    .flatMap(([name, value]) => option(name, value, floats.has(name)))
    .map(shellQuoted)
    .join(" ");
}

/** What is true is a flag; what is false or None is left out. */
function option(name: string, value: Plain, isFloat: boolean): string[] {
  if (value === true) return [`--${name}`];
  if (value === null || value === false) return [];
  const text = plainText(value, isFloat);
  return text === "" ? [`--${name}=`] : [`--${name}`, text];
}

function environment(params: Configuration, floats: Floats): string {
  return Object.entries(params)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${variable(name)}=${shellQuoted(plainText(value, floats.has(name)))}`)
    .join("\n");
}

function variable(name: string): string {
  return `KILTER_PARAM_${name.replace(/[^A-Za-z0-9_]/gu, "_").toUpperCase()}`;
}

function plainText(value: Plain, isFloat: boolean): string {
  if (Array.isArray(value)) {
    const texts = value.map((item) => plainText(item, isFloat));
    return texts.some((text) => text.includes(",")) ? JSON.stringify(value) : texts.join(",");
  }
  return typeof value === "number" ? number(value, isFloat) : value === null ? "" : String(value);
}

/** A word for a shell; control characters are spelt out, since a terminal would obey them when they are pasted. */
export function shellQuoted(word: string): string {
  if (/^[A-Za-z0-9@%+=:,./_-]+$/.test(word)) return word;
  if (word.search(UNSEEN) < 0) return `'${word.replaceAll("'", `'"'"'`)}'`;
  return `$'${word.replace(/['\\]/g, "\\$&").replace(UNSEEN, escape)}'`;
}
