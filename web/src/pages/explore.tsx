// Explore: all plots of all trials on one selection. Brush in any of them, or say it in the query bar.
import { useMemo } from "preact/hooks";
import { useAnswer } from "../api.js";
import { Panel } from "../components/Panel.js";
import { Select, Switch } from "../components/parts.js";
import { count, number, plural, visible } from "../format.js";
import { useKeys } from "../keys.js";
import { AllTrials } from "../parts/AllTrials.js";
import { Marks, marked } from "../parts/Marked.js";
import { axisOf, describe, goodness, label, logged, shaded } from "../parts/axes.js";
import { QueryBar } from "../parts/QueryBar.js";
import { bestSoFar } from "../parts/course.js";
import { Parallel, STROKES } from "../plots/Parallel.js";
import { type Axis, padded } from "../plots/scale.js";
import { Ramp } from "../plots/Ramp.js";
import { Scatter } from "../plots/Scatter.js";
import { type Column, num, type Num } from "../protocol.js";
import { go, href, route, setQuery } from "../router.js";
import { brushed, brushes, numbers, unbrush, valuesOf } from "../selection.js";
import { columns, columnsOf, revision, study } from "../store.js";

interface Importance {
  shares: { parameter: string; share: Num }[];
}

const FEW = 12;

/** The trial's number as a column, to plot against. */
const NUMBER: Column = { key: "number", kind: "metric", name: "trial", data: new Float32Array() };

export default function Explore() {
  const all = columns.value;
  const query = route.value.query;
  const objectives = columnsOf("value");
  const objective = objectives[Math.min(objectives.length - 1, Number(query.get("o") ?? 0))];
  const { shown, hidden, by } = useShown(objective);
  const keys = useMemo(
    () =>
      new Set([
        "number",
        "state",
        ...columnsOf("value").map((c) => c.key),
        ...shown.slice(0, FEW).map((c) => c.key),
        "seconds",
      ]),
    [shown],
  );
  useKeys([
    {
      key: "l",
      does: "logarithmic or linear values",
      run: () => setQuery({ log: route.peek().query.has("log") ? null : "1" }),
    },
  ]);
  const log = query.has("log");
  const value = useMemo(
    () => objective && logged(axisOf(objective, study.peek()), numbers(objective), log),
    [objective, log],
  );
  if (!all || all.count === 0 || !objective || !value)
    return (
      <div class="page">
        <Panel title="Explore" wide empty="No trial yet. Plots come with the first one.">
          {null}
        </Panel>
      </div>
    );
  return (
    <div class="page">
      <section class="panel wide bar-panel" aria-label="Selection">
        <QueryBar />
      </section>
      <Course objective={objective} value={value} objectives={objectives} log={log} />
      <Lines shown={shown} objective={objective} value={value} />
      {hasValues(objective) && <Multiples {...{ shown, hidden, by, objective, value }} />}
      <Pair shown={shown} objective={objective} />
      <Panel title="Trials" note={<Marks />} wide>
        <AllTrials
          shown={keys}
          onOpen={(trial) => go(href("trials", study.peek()?.id ?? null, { trial: String(trial) }))}
        />
      </Panel>
    </div>
  );
}

/** The parameters to show: the most important first, a dozen unless all are asked for. */
function useShown(objective: Column | undefined): { shown: Column[]; hidden: number; by: string } {
  const params = columnsOf("param");
  const at = columnsOf("value").indexOf(objective as Column);
  const id = study.value?.id;
  const many = params.length > 1 && (columns.value?.count ?? 0) > 3;
  const { value } = useAnswer<Importance>(
    many ? `studies/${id}/importance?objective=${Math.max(0, at)}` : null,
    revision.value,
  );
  const rows = route.value.query.has("all") ? params.length : FEW;
  return useMemo(() => {
    const share = new Map(value?.shares.map((s) => [s.parameter, num(s.share)]));
    const order = [...params].sort((a, b) => (share.get(b.name) || 0) - (share.get(a.name) || 0));
    return {
      shown: order.slice(0, rows),
      hidden: params.length - FEW,
      by: share.size > 0 ? "the most important first" : "",
    };
  }, [columns.value, value, rows]);
}

interface Shared {
  objective: Column;
  value: Axis;
}

/** Draws a brush of two columns. */
const boxed =
  (x: string, y: string) =>
  (box: { x: [number, number]; y: [number, number] }, mode: "set" | "add" | "remove", done: boolean) =>
    brushed({ keys: [x, y], ranges: [box.x, box.y], mode }, done);

function Course({ objective, value, objectives, log }: Shared & { objectives: Column[]; log: boolean }) {
  const count = columns.value?.count ?? 0;
  const states = columnsOf("state")[0]?.data;
  const x = useMemo(
    () => padded({ label: "trial", kind: "integer", low: 0, high: Math.max(1, count - 1) }, 0.01),
    [count],
  );
  const best = useMemo(() => [bestSoFar(objective, study.peek())], [objective]);
  const rings = useMemo(() => [...marked.value], [marked.value]);
  const choices = objectives.map((c, i) => ({ value: String(i), label: visible(c.name) }));
  const actions = (
    <>
      {objectives.length > 1 && (
        <Select
          label="objective"
          options={choices}
          value={String(objectives.indexOf(objective))}
          onChange={(o) => setQuery({ o })}
        />
      )}
      <Switch
        label="Scale of values"
        options={[
          { value: "", label: "linear" },
          { value: "1", label: "log" },
        ]}
        value={log ? "1" : ""}
        onChange={(v) => setQuery({ log: v || null })}
      />
    </>
  );
  return (
    <Panel
      title={`${visible(objective.name)} by trial`}
      empty={hasValues(objective) ? undefined : "No trial has a value yet: all of them run, wait or failed."}
      note="line: best so far"
      actions={actions}
      wide
      picture
      table={() => figures([NUMBER, objective])}
    >
      <Scatter
        name="course"
        height={220}
        x={x}
        y={value}
        xs={valuesOf("number") as Float32Array}
        ys={numbers(objective)}
        states={states}
        lines={best}
        rings={rings}
        summary={describe(objective, study.value)}
        label={label}
        onBrush={boxed("number", objective.key)}
        onReset={() => unbrush("number", objective.key)}
      />
    </Panel>
  );
}

function Lines({ shown, objective, value }: Shared & { shown: Column[] }) {
  // In the order of the space, so that axes stay where they are; importance says which ones, where there are many.
  const few = new Set(shown.slice(0, FEW));
  const these = columnsOf("param").filter((c) => few.has(c));
  const axes = useMemo(
    () =>
      [...these, objective].map((c) => ({
        key: c.key,
        axis: c === objective ? value : axisOf(c, study.peek()),
        values: numbers(c),
      })),
    [columns.value, these.map((c) => c.key).join(), objective, value],
  );
  const shade = useMemo(() => goodness(objective, study.peek()), [objective]);
  if (shown.length === 0) return null;
  const note =
    shown.length > FEW
      ? `the ${FEW} most important of ${shown.length}`
      : "drag along an axis; with shift more, with alt less";
  return (
    <Panel title="Parallel coordinates" note={note} wide picture table={() => figures([NUMBER, ...shown, objective])}>
      <Parallel
        name="parallel"
        axes={axes}
        shade={shade}
        brushes={brushes.value}
        label={label}
        summary={`Parallel coordinates of ${plural(columns.value?.count ?? 0, "trial")} over ${plural(shown.length, "parameter")} and ${visible(objective.name)}.`}
        onBrush={(key, range, mode, done) => brushed({ keys: [key], ranges: [range], mode }, done)}
        onReset={(key) => unbrush(key)}
      />
      {(columns.value?.count ?? 0) <= STROKES ? (
        <Shades objective={objective} />
      ) : (
        <p class="legend">
          <Ramp from="few trials" to="many; select some to see their values" />
        </p>
      )}
    </Panel>
  );
}

/** What the colours of lines and points are. */
function Shades({ objective }: { objective: Column }) {
  const { low, high, isMaximal } = useMemo(() => shaded(objective, study.peek()), [objective]);
  const [worst, best] = isMaximal ? [low, high] : [high, low];
  return (
    <p class="legend">
      <Ramp from={`${visible(objective.name)} ${number(worst)} or worse`} to={`${number(best)}, the best`} />
    </p>
  );
}

function Multiples({ shown, hidden, by, objective, value }: Shared & { shown: Column[]; hidden: number; by: string }) {
  const states = columnsOf("state")[0]?.data;
  const axes = useMemo(() => new Map(shown.map((c) => [c.key, axisOf(c, study.peek())])), [shown]);
  const open = route.value.query.has("all");
  const more = hidden > 0 && (
    <button type="button" class="quiet" onClick={() => setQuery({ all: open ? null : "1" })}>
      {open ? `only ${FEW}` : `${count(hidden)} more`}
    </button>
  );
  return (
    <Panel
      title={`${visible(objective.name)} by parameter`}
      note={by}
      actions={more}
      wide
      picture
      empty={shown.length === 0 && "This space has no parameter yet."}
      table={() => figures([NUMBER, ...shown, objective])}
    >
      <div class="multiples">
        {shown.map((c) => (
          <Scatter
            key={c.key}
            name={c.key}
            height={170}
            x={axes.get(c.key) as Axis}
            y={value}
            xs={numbers(c)}
            ys={numbers(objective)}
            states={states}
            summary={`${visible(objective.name)} against ${visible(c.name)} of ${plural(columns.value?.count ?? 0, "trial")}.`}
            label={label}
            onBrush={boxed(c.key, objective.key)}
            onReset={() => unbrush(c.key)}
          />
        ))}
      </div>
    </Panel>
  );
}

function Pair({ shown, objective }: { shown: Column[]; objective: Column }) {
  const { query } = route.value;
  const kinds = ["param", "value", "metric", "seconds"] as const;
  const choices = kinds.flatMap((kind) => columnsOf(kind));
  const first = [...shown.filter((c) => !c.options), ...shown.filter((c) => c.options)]; // two of numbers say most
  const ones = together(first) ?? [first[0], objective];
  const [x, y] = [pick(choices, query.get("x"), ones[0]), pick(choices, query.get("y"), ones[1])];
  const [xAxis, yAxis] = useMemo(() => [x, y].map((c) => c && axisOf(c, study.peek())), [x, y]);
  const shade = useMemo(() => goodness(objective, study.peek()), [objective]);
  if (!x || !y || !xAxis || !yAxis) return null;
  const options = choices.map((c) => ({ value: c.key, label: visible(c.name) }));
  const actions = (
    <>
      <Select label="x" options={options} value={x.key} onChange={(key) => setQuery({ x: key })} />
      <Select label="y" options={options} value={y.key} onChange={(key) => setQuery({ y: key })} />
    </>
  );
  return (
    <Panel
      title="Pair"
      note={`colour: ${visible(objective.name)}`}
      actions={actions}
      wide
      picture
      empty={
        meet(x, y)
          ? undefined
          : `No trial has both ${visible(x.name)} and ${visible(y.name)}${x.kind === "param" && y.kind === "param" ? ": where one is active, the other is not" : ""}. Choose another pair.`
      }
      table={() => figures([NUMBER, x, y, objective])}
    >
      <Scatter
        name="pair"
        height={320}
        x={xAxis}
        y={yAxis}
        xs={numbers(x)}
        ys={numbers(y)}
        shade={shade}
        radius={3.5}
        label={label}
        summary={`${visible(y.name)} against ${visible(x.name)}, coloured by ${visible(objective.name)}.`}
        onBrush={boxed(x.key, y.key)}
        onReset={() => unbrush(x.key, y.key)}
      />
      <Shades objective={objective} />
    </Panel>
  );
}

const pick = (all: readonly Column[], key: string | null, otherwise: Column | undefined): Column | undefined =>
  all.find((c) => c.key === key) ?? otherwise;

/** Whether a trial has both. */
const meet = (x: Column, y: Column): boolean => {
  const [xs, ys] = [numbers(x), numbers(y)];
  return xs.some((v, i) => !Number.isNaN(v) && !Number.isNaN(ys[i]));
};

/** The first two that some trial has both of: parameters of different conditions never meet. */
export function together(all: readonly Column[]): [Column, Column] | undefined {
  for (const [i, x] of all.entries()) for (const y of all.slice(i + 1)) if (meet(x, y)) return [x, y];
}

const hasValues = (objective: Column): boolean => numbers(objective).some((v) => !Number.isNaN(v));

/** The figures behind a plot: the first trials, in words. */
function figures(of: readonly Column[]) {
  const rows = Array.from({ length: Math.min(600, columns.value?.count ?? 0) }, (_, row) =>
    of.map((c) => (c === NUMBER ? row : c.options ? c.options[c.data[row]] : c.data[row])),
  );
  return { columns: of.map((c) => c.name), rows };
}
