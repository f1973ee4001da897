import { describe, expect, it } from "vitest";
import { gzipSync } from "node:zlib";
import { type Columns, decode, num, unpack } from "../src/protocol.js";

type Part = {
  key: string;
  kind: string;
  dtype: "f4" | "i4" | "u1" | "u2";
  values: number[];
  options?: string[];
  name?: string;
};
const ARRAYS = { f4: Float32Array, i4: Int32Array, u1: Uint8Array, u2: Uint16Array };

/** What the server sends, written once more from the description of the format. */
function packed(trials: number, parts: Part[], rows: number[] | null = null, revision = 1): ArrayBuffer {
  const buffers: Uint8Array[] = [];
  let offset = 0;
  const put = (array: { buffer: ArrayBufferLike; byteLength: number; length: number }) => {
    const place = { offset, length: array.length };
    const size = Math.ceil(array.byteLength / 8) * 8;
    const bytes = new Uint8Array(size);
    bytes.set(new Uint8Array(array.buffer));
    buffers.push(bytes);
    offset += size;
    return place;
  };
  const header = JSON.stringify({
    v: 1,
    study: 3,
    revision,
    trials,
    origin: 100,
    rows: rows && put(Int32Array.from(rows)),
    columns: parts.map(({ values, ...part }) => ({ ...part, ...put(new ARRAYS[part.dtype](values)) })),
  });
  const text = new TextEncoder().encode(header);
  const size = Math.ceil((4 + text.length) / 8) * 8;
  const whole = new Uint8Array(size + offset).fill(32, 4, size);
  new DataView(whole.buffer).setUint32(0, size - 4, true);
  whole.set(text, 4);
  let at = size;
  for (const bytes of buffers) {
    whole.set(bytes, at);
    at += bytes.length;
  }
  return whole.buffer;
}

const values = (columns: Columns, key: string) => [...(columns.columns.find((c) => c.key === key)?.data ?? [])];

describe("columns", () => {
  const first = decode(
    packed(3, [
      { key: "state", kind: "state", dtype: "u1", values: [1, 2, 0] },
      { key: "value:loss", kind: "value", name: "loss", dtype: "f4", values: [0.5, 0.25, NaN] },
      {
        key: "param:model",
        kind: "param",
        name: "model",
        dtype: "u1",
        values: [0, 1, 255],
        options: ["svm", "forest"],
      },
    ]),
  );

  it("are read as they were written", () => {
    expect(first).toMatchObject({ study: 3, revision: 1, count: 3, origin: 100 });
    expect(values(first, "state")).toEqual([1, 2, 0]);
    expect(values(first, "value:loss")).toEqual([0.5, 0.25, NaN]);
    expect(first.columns[2]).toMatchObject({ name: "model", options: ["svm", "forest"] });
  });

  it("take changes over what is known, and leave the old ones as they were", () => {
    const next = decode(
      packed(
        5,
        [
          { key: "state", kind: "state", dtype: "u1", values: [1, 1, 4] },
          { key: "value:loss", kind: "value", name: "loss", dtype: "f4", values: [0.125, 0.75, NaN] },
          {
            key: "param:model",
            kind: "param",
            name: "model",
            dtype: "u2",
            values: [1, 2, 65535],
            options: ["svm", "forest", "net"],
          },
          { key: "metric:size", kind: "metric", name: "size", dtype: "f4", values: [9, 8, 7] },
        ],
        [2, 3, 4],
        2,
      ),
      first,
    );
    expect(next).toMatchObject({ revision: 2, count: 5 });
    expect(values(next, "state")).toEqual([1, 2, 1, 1, 4]);
    expect(values(next, "value:loss")).toEqual([0.5, 0.25, 0.125, 0.75, NaN]);
    expect(values(next, "param:model")).toEqual([0, 1, 1, 2, 65535]);
    expect(values(next, "metric:size")).toEqual([NaN, NaN, 9, 8, 7]);
    expect(values(first, "state")).toEqual([1, 2, 0]);
  });

  it("keep a column that a change does not speak of", () => {
    const next = decode(packed(4, [{ key: "state", kind: "state", dtype: "u1", values: [3] }], [3], 2), first);
    expect(values(next, "state")).toEqual([1, 2, 0, 3]);
    expect(values(next, "param:model")).toEqual([0, 1, 255, 255]);
  });

  it("without news are the same ones", () => expect(decode(packed(3, [], [], 1), first)).toBe(first));

  it("of another version are refused in words", () => {
    const buffer = packed(0, []);
    const bytes = new Uint8Array(buffer);
    bytes[new TextDecoder().decode(bytes).indexOf('"v":1') + 4] = "2".charCodeAt(0);
    expect(() => decode(buffer)).toThrow(/version 2 .* version 1/);
  });

  it("of a report are unpacked", async () => {
    const text = gzipSync(
      new Uint8Array(packed(1, [{ key: "state", kind: "state", dtype: "u1", values: [1] }])),
    ).toString("base64");
    expect(values(decode(await unpack(text)), "state")).toEqual([1]);
  });
});

it("numbers that JSON has not come as words", () => {
  expect([num(1.5), num("NaN"), num("Infinity"), num("-Infinity"), num(null), num(undefined)]).toEqual([
    1.5,
    NaN,
    Infinity,
    -Infinity,
    NaN,
    NaN,
  ]);
});
