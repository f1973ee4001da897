// Columns of trials as they come over the wire: a JSON header, then raw little-endian arrays (decoded without a copy of a row).

export type Kind =
  | "state"
  | "started"
  | "seconds"
  | "value"
  | "metric"
  | "violation"
  | "step"
  | "attempt"
  | "parent"
  | "worker"
  | "failure"
  | "param";

export type Numbers = Float32Array | Int32Array | Uint8Array | Uint16Array;

/** One thing known of every trial; row i is trial i. Codes point into `options`, the highest code means that nothing is known. */
export interface Column {
  key: string;
  kind: Kind;
  /** Of parameters, objectives and metrics: the user's name. */
  name: string;
  data: Numbers;
  options?: readonly string[];
}

export interface Columns {
  study: number;
  revision: number;
  /** How many trials there are, and so how many rows. */
  count: number;
  /** Seconds since the epoch from which `started` counts. */
  origin: number;
  columns: readonly Column[];
}

interface HeaderColumn {
  key: string;
  kind: Kind;
  name?: string;
  dtype: keyof typeof ARRAYS;
  offset: number;
  length: number;
  options?: string[];
}

interface Header {
  v: number;
  study: number;
  revision: number;
  trials: number;
  origin: number;
  rows: null | { offset: number; length: number };
  columns: HeaderColumn[];
}

const ARRAYS = { f4: Float32Array, i4: Int32Array, u1: Uint8Array, u2: Uint16Array } as const;

/** What stands for "not known" or "not active" in a column. */
export function missing(column: Pick<Column, "data" | "kind">): number {
  if (column.data instanceof Float32Array) return NaN;
  if (column.data instanceof Int32Array) return -1;
  if (column.kind === "attempt" || column.kind === "failure" || column.kind === "state") return 0;
  return column.data instanceof Uint8Array ? 255 : 65535;
}

/** What pages call columns that no user has named, where that is not their key. */
export const NAMES: Partial<Record<Column["kind"], string>> = { seconds: "duration" };

/** The answer to a request for columns, laid over what was known before: whole, or only the rows that changed. */
export function decode(buffer: ArrayBuffer, before: Columns | null = null): Columns {
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size))) as Header;
  if (header.v !== 1)
    throw new Error(`The server speaks version ${header.v} of the columns, this page version 1. Reload the page.`);
  const start = 4 + size;
  const rows = header.rows && new Int32Array(buffer, start + header.rows.offset, header.rows.length);
  const read = (c: HeaderColumn): Column => ({
    key: c.key,
    kind: c.kind,
    name: c.name ?? NAMES[c.kind] ?? c.key,
    options: c.options,
    data: new ARRAYS[c.dtype](buffer, start + c.offset, c.length),
  });
  const { study, revision, trials: count, origin } = header;
  if (before?.revision === revision && rows?.length === 0) return before; // nothing is drawn anew
  const fresh = header.columns.map(read);
  if (rows === null) return { study, revision, count, origin, columns: fresh };
  const known = new Map(before?.columns.map((column) => [column.key, column]));
  const columns = fresh.map((column) => overlay(known.get(column.key), column, rows, count));
  for (const column of known.values())
    if (!fresh.some((c) => c.key === column.key))
      columns.push(overlay(column, { ...column, data: column.data.subarray(0, 0) }, rows.subarray(0, 0), count));
  return { study, revision, count, origin, columns };
}

/** A new column of `count` rows: the old one's, then the changed rows over it. The old one stays as it is, for who draws it. */
function overlay(old: Column | undefined, change: Column, rows: Int32Array, count: number): Column {
  const wide = old && old.data.BYTES_PER_ELEMENT > change.data.BYTES_PER_ELEMENT ? old.data : change.data;
  const data = new (wide.constructor as new (n: number) => Numbers)(count);
  const unknown = missing({ data, kind: change.kind });
  data.fill(unknown);
  if (old && old.data.constructor === data.constructor) data.set(old.data.subarray(0, count));
  else if (old) copy(old, data, unknown, (i) => i);
  copy(change, data, unknown, (i) => rows[i]);
  return { ...change, options: change.options ?? old?.options, data };
}

function copy(from: Column, to: Numbers, unknown: number, row: (i: number) => number): void {
  const nothing = missing(from);
  const n = Math.min(from.data.length, to.length);
  for (let i = 0; i < n; i++) to[row(i)] = from.data[i] === nothing ? unknown : from.data[i];
}

/** The bytes of a recorded answer: base64 of gzip. */
export async function unpack(text: string): Promise<ArrayBuffer> {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** A number as the server writes it: JSON has no NaN and no infinity, so these come as words. */
export type Num = number | "NaN" | "Infinity" | "-Infinity" | null;

export function num(value: Num | undefined): number {
  return typeof value === "number" ? value : value === "Infinity" ? Infinity : value === "-Infinity" ? -Infinity : NaN;
}
