import { describe, expect, it } from "vitest";
import { sorted, type TableColumn } from "../src/components/Table.js";
import { Grid } from "../src/plots/grid.js";
import { href, parse, route } from "../src/router.js";
import { asked, type Brush, fields, parseBrushes, withBrush, writeBrushes } from "../src/selection.js";
import { columns, latest } from "../src/store.js";

describe("addresses", () => {
  it.each([
    ["", "studies", null],
    ["#/", "studies", null],
    ["#/3", "overview", 3],
    ["#/3/explore?q=a", "explore", 3],
    ["#/compare?studies=1,2", "compare", null],
  ])("%s", (hash, page, study) => expect(parse(hash)).toMatchObject({ page, study }));
  it("are read as they were written", () => {
    const query = { q: 'value > .9 and x = "a?b#c&d"', b: "value:0~1" };
    const route = parse(href("explore", 3, query));
    expect([route.page, route.study, Object.fromEntries(route.query)]).toEqual(["explore", 3, query]);
  });
});

describe("brushes", () => {
  const brush = (keys: string[], mode: Brush["mode"] = "set", low = 0, high = 1): Brush => ({
    keys,
    mode,
    ranges: keys.map(() => [low, high]),
  });
  it("are read as they were written", () => {
    const all = [brush(["value"]), brush(["param:a,b;c:~", "x"], "remove", -Infinity, 1e-7), brush(["value"], "add")];
    expect(parseBrushes(writeBrushes(all))).toEqual(all);
    expect(parseBrushes("nonsense;a:b;:1~2")).toEqual([]);
  });
  it("replace those of the same columns, or come to them", () => {
    const [a, b] = [brush(["a"]), brush(["a", "b"])];
    expect(withBrush([a, b], brush(["a"], "set", 5, 6))).toEqual([b, brush(["a"], "set", 5, 6)]);
    expect(withBrush([a], brush(["a"], "add", 5, 6))).toHaveLength(2);
  });
});

describe("a table", () => {
  const values = [3, NaN, 1, null, 2, 1];
  const columns: TableColumn[] = [
    { key: "v", title: "", cell: () => "", by: (row) => values[row] },
    { key: "n", title: "", cell: () => "", by: (row) => row },
  ];
  it("sorts by several columns, missing ones last either way", () => {
    expect([...sorted([0, 1, 2, 3, 4, 5], columns, [{ key: "v", descending: false }])]).toEqual([2, 5, 4, 0, 1, 3]);
    expect([
      ...sorted([0, 1, 2, 3, 4, 5], columns, [
        { key: "v", descending: true },
        { key: "n", descending: true },
      ]),
    ]).toEqual([0, 4, 5, 2, 3, 1]);
  });
  it.each([true, false])("sorts single-precision numbers as any others (descending: %s)", (descending) => {
    const values = Float32Array.from([0.5, NaN, -3, 0, Infinity, -0.25, 1e-40, -Infinity, NaN, 0.5, 3e38]);
    const rows = [9, 0, 8, 7, 6, 5, 4, 3, 2, 1, 10];
    const plain: TableColumn = { key: "v", title: "", cell: () => "", by: (row) => values[row] };
    expect([...sorted(rows, [{ ...plain, values }], [{ key: "v", descending }])]).toEqual([
      ...sorted(rows, [plain], [{ key: "v", descending }]),
    ]);
  });
});

it("the mark under the mouse is the nearest one, as by looking at all", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  const xs = Float32Array.from({ length: 500 }, () => random() * 300);
  const ys = Float32Array.from({ length: 500 }, (_, i) => (i % 50 === 0 ? NaN : random() * 200));
  const grid = new Grid(xs, ys, 300, 200);
  for (let k = 0; k < 200; k++) {
    const [x, y] = [random() * 300, random() * 200];
    const far = (i: number) => (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
    const near = [...xs.keys()].filter((i) => far(i) <= 100);
    const best = Math.min(...near.map(far));
    const found = grid.nearest(x, y);
    if (near.length === 0) expect(found).toBe(-1);
    else expect(far(found)).toBe(best);
  }
});

it("work that is asked for meanwhile runs once more, not once per request", async () => {
  let [runs, release] = [0, () => {}];
  const run = latest(
    () =>
      new Promise<void>((done) => {
        runs++;
        release = done;
      }),
  );
  run();
  run();
  run();
  expect(runs).toBe(1);
  release();
  await new Promise((r) => setTimeout(r));
  expect(runs).toBe(2);
  release();
  await new Promise((r) => setTimeout(r));
  expect(runs).toBe(2);
});

it("how long a trial took is a duration everywhere, and addresses that say seconds go on", () => {
  const seconds = { key: "seconds", kind: "seconds", name: "duration", data: Float32Array.of(1, 5) } as const;
  columns.value = { study: 1, revision: 1, count: 2, origin: 0, columns: [seconds] };
  expect(fields.value.map((f) => f.name)).toContain("duration");
  for (const name of ["duration", "seconds"]) {
    route.value = parse(`#/1/explore?q=${name} > 2`);
    expect(Array.from(asked.value.mask ?? [])).toEqual([0, 1]);
  }
  route.value = parse("");
  columns.value = null;
});
