// The query bar's language: `value > .95 and lr < 1e-2 and model = "svm"`, over columns of trials.
//
//   either   = both ("or" both)*            both  = claim ("and" claim)*
//   claim    = "not" claim | "(" either ")" | chain | name "in" "[" value ("," value)* "]" | name
//   chain    = operand (op operand)+        op    = "<" "<=" ">" ">=" "=" "==" "!=" "~" (contains)
//   name     = word | `any text`            value = number | "text" | 'text' | word
//
// A name alone asks whether it is known: whether the parameter was active, the value told; so does `name != none`.

import { nearest } from "./nearest.js";

/** What a query can ask of: one value per trial, NaN where unknown, and the texts that codes stand for. */
export interface Field {
  name: string;
  values: ArrayLike<number>;
  options?: readonly string[];
}

export class QueryError extends Error {
  /** `at` is where in the text the trouble begins. */
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message);
    this.name = "QueryError";
  }
}

export type Mask = Uint8Array;
type Claim = (fields: Fields, count: number) => Mask;
type Fields = ReadonlyMap<string, Field>;

interface Token {
  kind: "word" | "name" | "text" | "number" | "op" | "mark" | "end";
  text: string;
  at: number;
}

const TOKEN =
  /\s*(?:([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.]))|`([^`]*)`|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(<=|>=|!=|==|[<>=~])|([()[\],])|([^\s()[\],<>=~!"'`]+))/y;

export function tokens(text: string): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (text.slice(at).trim() !== "") {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    const from = at + (text.slice(at).length - text.slice(at).trimStart().length);
    if (!match) throw new QueryError(`What is "${text.slice(from, from + 10)}"? Texts stand in quotes: "…".`, from);
    const [, num, name, double, single, op, mark, word] = match;
    const text_ = double ?? single;
    if (num !== undefined) found.push({ kind: "number", text: num, at: from });
    else if (name !== undefined) found.push({ kind: "name", text: name, at: from });
    else if (text_ !== undefined) found.push({ kind: "text", text: text_.replace(/\\(.)/g, "$1"), at: from });
    else if (op !== undefined) found.push({ kind: "op", text: op === "==" ? "=" : op, at: from });
    else if (mark !== undefined) found.push({ kind: "mark", text: mark, at: from });
    else found.push({ kind: "word", text: word, at: from });
    at = TOKEN.lastIndex;
  }
  found.push({ kind: "end", text: "", at: text.length });
  return found;
}

/** Parses a query once; what is returned answers it for any columns: 1 for each trial that it lets through. */
export function parseQuery(text: string): Claim {
  return new Parser(tokens(text)).query();
}

class Parser {
  private i = 0;
  constructor(private readonly all: Token[]) {}

  query(): Claim {
    const claim = this.either();
    if (this.now.kind !== "end") this.fail(`"and" or "or" is missing before "${this.now.text}".`);
    return claim;
  }

  private get now(): Token {
    return this.all[this.i];
  }

  private fail(message: string, at = this.now.at): never {
    throw new QueryError(message, at);
  }

  private take(kind: Token["kind"], text?: string): boolean {
    const { now } = this;
    const same = kind === "word" ? now.text.toLowerCase() === text : text === undefined || now.text === text;
    if (now.kind !== kind || !same) return false;
    this.i++;
    return true;
  }

  private either(): Claim {
    const claims = [this.both()];
    while (this.take("word", "or")) claims.push(this.both());
    return claims.length === 1
      ? claims[0]
      : (f, n) => claims.map((c) => c(f, n)).reduce((a, b) => a.map((v, i) => v | b[i]));
  }

  private both(): Claim {
    const claims = [this.claim()];
    while (this.take("word", "and")) claims.push(this.claim());
    return claims.length === 1
      ? claims[0]
      : (f, n) => claims.map((c) => c(f, n)).reduce((a, b) => a.map((v, i) => v & b[i]));
  }

  private claim(): Claim {
    if (this.take("word", "not")) {
      const claim = this.claim();
      return (f, n) => claim(f, n).map((v) => 1 - v);
    }
    if (this.take("mark", "(")) {
      const claim = this.either();
      if (!this.take("mark", ")")) this.fail('A ")" is missing.');
      return claim;
    }
    return this.chain();
  }

  private chain(): Claim {
    const first = this.operand();
    if (this.take("word", "in")) return this.among(first);
    const claims: Claim[] = [];
    let left = first;
    while (this.now.kind === "op") {
      const op = this.all[this.i++].text;
      const right = this.operand();
      claims.push(compare(left, op, right));
      left = right;
    }
    if (claims.length === 0) return known(first);
    return claims.length === 1
      ? claims[0]
      : (f, n) => claims.map((c) => c(f, n)).reduce((a, b) => a.map((v, i) => v & b[i]));
  }

  private among(name: Token): Claim {
    if (!this.take("mark", "[") && !this.take("mark", "(")) this.fail('After "in" comes a list: in ["adam", "sgd"].');
    const claims: Claim[] = [];
    do claims.push(compare(name, "=", this.operand()));
    while (this.take("mark", ","));
    if (!this.take("mark", "]") && !this.take("mark", ")")) this.fail('A "]" is missing.');
    return (f, n) => claims.map((c) => c(f, n)).reduce((a, b) => a.map((v, i) => v | b[i]));
  }

  private operand(): Token {
    const { now } = this;
    if (now.kind === "word" || now.kind === "name" || now.kind === "text" || now.kind === "number") {
      this.i++;
      return now;
    }
    return this.fail(
      now.kind === "end" ? "Something is missing at the end." : `A name or a value is expected, not "${now.text}".`,
    );
  }
}

const isName = (token: Token): boolean => token.kind === "word" || token.kind === "name";
const TURNED: Record<string, string> = { "<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!=" };

function need(fields: Fields, token: Token): Field {
  const field = fields.get(token.text);
  if (!field) throw new QueryError(`There is no "${token.text}" in this study.${meant(fields, token.text)}`, token.at);
  return field;
}

/** What may have been meant by a name that there is not: one spelled nearly so, or an option of that name. */
function meant(fields: Fields, text: string): string {
  const plain = text.toLowerCase();
  const by = [...fields.values()].find((f) => f.options?.some((option) => option.toLowerCase() === plain));
  if (by) return ` Did you mean ${spelled(by.name)} = ${JSON.stringify(text)}?`;
  const near = nearest(text, fields.keys());
  return near === null ? "" : ` Did you mean ${spelled(near)}?`;
}

function known(name: Token): Claim {
  if (!isName(name)) throw new QueryError(`"${name.text}" is no name.`, name.at);
  return (fields, n) => {
    const { values } = need(fields, name);
    return mask(n, (i) => values[i] === values[i]);
  };
}

function compare(left: Token, op: string, right: Token): Claim {
  if (!isName(left)) {
    if (!isName(right) || !(op in TURNED)) throw new QueryError("A comparison needs a name on one side.", left.at);
    return compare(right, TURNED[op], left);
  }
  return (fields, n) => {
    const field = need(fields, left);
    const other = isName(right) ? fields.get(right.text) : undefined;
    if (!other && isNone(right, field)) return onNone(field, op, right, n);
    if (other && !field.options) return between(field, op, other, n, right);
    return field.options ? onTexts(field, op, right, n) : onNumbers(field, op, right, n);
  };
}

/** Whether the word stands for "not active, or not known": it does unless there is an option of that name. */
const isNone = ({ kind, text }: Token, { options }: Field): boolean =>
  kind === "word" && /^none$/i.test(text) && !options?.some((option) => /^none$/i.test(option));

function onNone({ name, values }: Field, op: string, right: Token, n: number): Mask {
  if (op !== "=" && op !== "!=") throw new QueryError(`"${name}" can be = none or != none, not ${op} none.`, right.at);
  return mask(n, (i) => (values[i] !== values[i]) === (op === "="));
}

function between(a: Field, op: string, b: Field, n: number, token: Token): Mask {
  if (b.options) throw new QueryError(`"${b.name}" has options and is compared with a text.`, token.at);
  const test = numeric(op, token);
  return mask(n, (i) => test(a.values[i], b.values[i]));
}

function onNumbers(field: Field, op: string, right: Token, n: number): Mask {
  const value = Number(right.text);
  if (right.text.trim() === "" || Number.isNaN(value))
    throw new QueryError(`"${field.name}" is a number; "${right.text}" is none.`, right.at);
  const test = numeric(op, right);
  const { values } = field;
  // Columns have single precision: 0.1 of the user's is 0.1 of the column's.
  const single = values instanceof Float32Array ? Math.fround(value) : value;
  return mask(n, (i) => test(values[i], single));
}

function onTexts(field: Field, op: string, right: Token, n: number): Mask {
  const options = field.options as readonly string[];
  const test = textual(op, right);
  if ((op === "=" || op === "!=") && !options.some(textual("=", right))) throw unheardOf(field, right);
  const wanted = Uint8Array.from(options, (option) => (test(option) ? 1 : 0));
  return mask(n, (i) => wanted[field.values[i]] === 1);
}

const TOLD = 8;

function unheardOf({ name, options = [] }: Field, { text, at }: Token): QueryError {
  const near = nearest(text, options);
  const others = options.length > TOLD ? ` and ${options.length - TOLD} more` : "";
  const known = options.length > 0 ? ` There is ${options.slice(0, TOLD).join(", ")}${others}.` : "";
  return new QueryError(
    `"${name}" has no "${text}".${near === null ? known : ` Did you mean ${JSON.stringify(near)}?`}`,
    at,
  );
}

function textual(op: string, { text, at }: Token): (option: string) => boolean {
  const plain = text.toLowerCase();
  if (op === "=") return (option) => option === text || option.toLowerCase() === plain;
  if (op === "!=") return (option) => option !== text && option.toLowerCase() !== plain;
  if (op === "~") return (option) => option.toLowerCase().includes(plain);
  const test = numeric(op, { kind: "op", text, at });
  return (option) => test(Number(option), Number(text));
}

function numeric(op: string, token: Token): (a: number, b: number) => boolean {
  switch (op) {
    case "<":
      return (a, b) => a < b;
    case "<=":
      return (a, b) => a <= b;
    case ">":
      return (a, b) => a > b;
    case ">=":
      return (a, b) => a >= b;
    case "=":
      return (a, b) => a === b;
    case "!=":
      return (a, b) => a !== b && a === a;
    default:
      throw new QueryError(`"${op}" is for texts.`, token.at);
  }
}

function mask(n: number, test: (i: number) => boolean): Mask {
  const found = new Uint8Array(n);
  for (let i = 0; i < n; i++) found[i] = test(i) ? 1 : 0;
  return found;
}

/** How a name stands in a query: as it is, or in backticks where it would be read as something else. */
export function spelled(name: string): string {
  return /^[\p{L}_][\p{L}\p{N}_.-]*$/u.test(name) && !/^(and|or|not|in)$/i.test(name)
    ? name
    : `\`${name.replaceAll("`", "")}\``;
}

export interface Completion {
  /** What stands there when it is taken. */
  insert: string;
  label: string;
  hint: string;
  /** The part of the text that it replaces. */
  from: number;
  to: number;
}

const OPS = [
  ["=", "equal to"],
  [">", "greater than"],
  ["<", "less than"],
  ["in", "one of"],
] as const;

/** Where the word begins that is being typed, or the text whose quotes are still open. */
function started(before: string): number {
  try {
    tokens(before);
  } catch (error) {
    return (error as QueryError).at;
  }
  return before.length - (/[^\s()[\],<>=~!"'`]*$/.exec(before) as RegExpExecArray)[0].length;
}

/** What could come next at the cursor: a name, a comparison, an option's text, "and". */
export function complete(text: string, cursor: number, fields: readonly Field[]): Completion[] {
  const before = text.slice(0, cursor);
  const from = started(before);
  const part = before.slice(from);
  let earlier: Token[];
  try {
    earlier = tokens(before.slice(0, from)).slice(0, -1);
  } catch {
    return [];
  }
  const typed = part.replace(/^[`"']/, "").toLowerCase();
  const offer = (rows: readonly (readonly [string, string, string])[]): Completion[] =>
    rows
      .filter(([, label]) => label.toLowerCase().includes(typed) && label.toLowerCase() !== typed)
      .sort((a, b) => Number(b[1].toLowerCase().startsWith(typed)) - Number(a[1].toLowerCase().startsWith(typed)))
      .slice(0, 12)
      .map(([insert, label, hint]) => ({ insert, label, hint, from, to: cursor }));
  const last = earlier.at(-1);
  const field = (token?: Token) => (token && isName(token) ? fields.find((f) => f.name === token.text) : undefined);
  if (last?.kind === "op" || last?.text === "[" || last?.text === ",") {
    const about = [...earlier].reverse().map(field).find(Boolean);
    const options = (about?.options ?? []).map((option) => [JSON.stringify(option), option, "option"] as const);
    const hasNone = last.kind === "op" && about !== undefined && Array.from(about.values).some(Number.isNaN);
    return offer(hasNone ? [...options, ["none", "none", "not active, or not known"]] : options);
  }
  if (field(last)) return offer(OPS.map(([op, hint]) => [op, op, hint] as const));
  const starts = !last || last.text === "(" || (last.kind === "word" && /^(and|or|not)$/i.test(last.text));
  if (!starts)
    return offer([
      ["and", "and", "both"],
      ["or", "or", "either"],
    ]);
  return offer(
    fields.map((f) => [spelled(f.name), f.name, f.options ? `${f.options.length} options` : "number"] as const),
  );
}
