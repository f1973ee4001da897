// What one objective costs in another: the front in each pair of objectives, where it bends, what is feasible, and the volume it dominates.
import { useMemo } from "preact/hooks";
import { type Answer, useAnswer } from "../api.js";
import { AnswerPanel, Panel } from "../components/Panel.js";
import { Switch } from "../components/parts.js";
import { Table, type TableColumn } from "../components/Table.js";
import { number, percent, plural, visible } from "../format.js";
import { pairs, staircase } from "../layout/pareto.js";
import { all, axis, robustAxis, whole } from "../plots/axes.js";
import type { Axis } from "../plots/scale.js";
import { type Line, Scatter } from "../plots/Scatter.js";
import { Ribbons } from "../plots/Ribbons.js";
import { type Num, num } from "../protocol.js";
import { go, href, route, setQuery } from "../router.js";
import { brushed, clearSelection } from "../selection.js";
import { column, columnsOf, hover, revision, study } from "../store.js";

/** `analysis/pareto.py`, in JSON. */
export interface Front {
  objectives: string[];
  directions: string[];
  numbers: number[];
  values: Num[][];
  knee: number | null;
  candidates: number;
  nearest: number[];
}

export interface Volume {
  objectives: string[];
  reference: Num[];
  trials: number[];
  numbers: number[];
  volume: Num[];
  share: Num[];
  is_exact: boolean;
}

export interface Tradeoff extends Front {
  volume: Volume;
}

export default function TradeoffsPage() {
  const open = study.value;
  const objectives = columnsOf("value");
  const several = objectives.length > 1;
  const answer = useAnswer<Tradeoff>(open && several ? `studies/${open.id}/pareto` : null, revision.value);
  if (!open) return null;
  if (!several)
    return (
      <div class="page">
        <Constraints id={open.id} />
        <Panel
          title="Trade-offs"
          wide
          empty={
            <>
              This study has one objective, so nothing is traded against anything. Its best trials stand on the{" "}
              <a href={href("overview", open.id)}>overview</a>.
            </>
          }
        >
          {null}
        </Panel>
      </div>
    );
  return (
    <div class="page">
      <Fronts answer={answer} id={open.id} />
      <Constraints id={open.id} />
      <div class="wide side-by-side">
        <FrontTable answer={answer} id={open.id} />
        <VolumePanel answer={answer} />
      </div>
    </div>
  );
}

const COMPLETE = 1;
const NONE = "No trial is complete yet, so there is no front.";

/** Words where no trial is on the front: nothing has ended, or nothing met the constraints. */
function nothing(front: Tradeoff): string | null {
  if (front.numbers.length > 0) return null;
  if (front.nearest.length === 0) return NONE;
  return `No trial meets all constraints. ${plural(front.nearest.length, "trial")} came nearest: ${front.nearest.slice(0, 5).join(", ")}.`;
}

const rows = (front: Tradeoff) => ({
  columns: ["trial", ...front.objectives],
  rows: front.numbers.map((n, i) => [n, ...front.values[i].map(num)]),
});

function Fronts({ answer, id }: { answer: Answer<Tradeoff>; id: number }) {
  const shown = pairs(columnsOf("value").length);
  const log = route.value.query.get("scale") === "log";
  const positive = columnsOf("value").every((c) => !(c.data as Float32Array).some((v) => v <= 0));
  const actions = positive && (
    <Switch
      label="Axes"
      value={log ? "log" : "linear"}
      options={[
        { value: "linear", label: "linear" },
        { value: "log", label: "log" },
      ]}
      onChange={(v) => setQuery({ scale: v === "log" ? v : null })}
    />
  );
  const found = answer.value;
  const note =
    found && found.numbers.length > 0
      ? `${plural(found.numbers.length, "trial")} of ${found.candidates} that may be chosen`
      : undefined;
  return (
    <AnswerPanel
      title="Pareto front"
      wide
      answer={answer}
      actions={actions}
      note={note}
      table={rows}
      nothing={(t) => (t.candidates + t.nearest.length === 0 ? NONE : null)}
    >
      {(t) => (
        <>
          <p class="note">{nothing(t) ?? kneeTold(t)}</p>
          <div class={shown.length > 1 ? "pairs" : ""}>
            {shown.map(([a, b]) => (
              <Pair key={`${a} ${b}`} front={t} a={a} b={b} log={log && positive} id={id} tall={shown.length === 1} />
            ))}
          </div>
          <Shapes />
        </>
      )}
    </AnswerPanel>
  );
}

/** The knee, in words. */
function kneeTold(front: Front): string {
  if (front.knee === null)
    return "The front bends nowhere: each gain in one objective costs about as much in the others.";
  const at = front.numbers.indexOf(front.knee);
  const values = front.objectives.map((name, k) => `${visible(name)} ${number(num(front.values[at][k]))}`).join(", ");
  return `Trial ${front.knee} (ringed) is where the front bends: ${values}. Beyond it a gain in one objective costs much of another.`;
}

const MISSED = 4; // the open square: no state here, so it is free for trials that miss a constraint

function Shapes({ bound = false }: { bound?: boolean }) {
  if (!column("violation")) return null;
  return (
    <ul class="names">
      <li>
        <span class="state-complete">●</span> meets all constraints
      </li>
      <li>
        <span class="state-waiting">□</span> misses one
      </li>
      {bound && (
        <li>
          <span class="swatch dashed" aria-hidden="true" /> the bound
        </li>
      )}
    </ul>
  );
}

/** The first objective against what is constrained, with the bound. */
function Constraints({ id }: { id: number }) {
  const open = study.value;
  const objective = columnsOf("value")[0];
  const metrics = [...columnsOf("metric"), ...columnsOf("value").slice(1)];
  const shown = (open?.problem.constraints ?? []).flatMap((c) =>
    metrics.filter((m) => m.name === c.metric).map((metric) => ({ ...c, metric })),
  );
  const [state, violation] = [column("state"), column("violation")];
  if (!open || !objective || shown.length === 0) return null;
  const direction = open.problem.objectives[0].direction;
  const [complete, missed] = feasible(state?.data, violation?.data);
  const note = `${plural(complete - missed, "trial")} of ${complete} that are complete meet all of them`;
  return (
    <Panel
      title="Constraints"
      wide
      note={note}
      empty={complete === 0 ? NONE : undefined}
      table={() => ({
        columns: ["metric", "is to be", "bound"],
        rows: shown.map((c) => [c.metric.name, c.relation, c.bound]),
      })}
    >
      <div class={shown.length > 1 ? "pairs" : ""}>
        {shown.map(({ metric, relation, bound }) => {
          const { xs, ys, shapes } = ended(metric.data, objective.data, state?.data, violation?.data);
          const x = axis(visible(metric.name), [...all(xs), bound]); // on which side of the bound a trial lies is the point: none is cut off
          const y = robustAxis(visible(objective.name), ys, direction);
          return (
            <Scatter
              key={metric.key}
              name={`constraint ${metric.name}`}
              {...{ x, y, xs, ys }}
              states={shapes}
              height={280}
              lines={[{ xs: [bound, bound], ys: [y.low, y.high], dashed: true }]}
              label={(trial) =>
                `trial ${trial} · ${visible(objective.name)} ${number(ys[trial])}\n${visible(metric.name)} ${number(xs[trial])}, to be ${relation} ${number(bound)}`
              }
              summary={`${visible(objective.name)} against ${visible(metric.name)}, which is to be ${relation} ${number(bound)}: ${note}.`}
              onPick={(trial) => go(href("trials", id, { trial: String(trial) }))}
              onBrush={(box, mode, done) =>
                brushed({ keys: [metric.key, objective.key], ranges: [box.x, box.y], mode }, done)
              }
              onReset={clearSelection}
            />
          );
        })}
      </div>
      <Shapes bound />
    </Panel>
  );
}

/** How many trials are complete, and how many of these miss a constraint. */
function feasible(state?: ArrayLike<number>, violation?: ArrayLike<number>): [complete: number, missed: number] {
  let [complete, missed] = [0, 0];
  for (let i = 0; i < (state?.length ?? 0); i++) {
    if (state?.[i] !== COMPLETE) continue;
    complete++;
    if (violation && violation[i] > 0) missed++;
  }
  return [complete, missed];
}

function Pair({
  front,
  a,
  b,
  log,
  id,
  tall,
}: {
  front: Front;
  a: number;
  b: number;
  log: boolean;
  id: number;
  tall: boolean;
}) {
  const [x, y] = [columnsOf("value")[a], columnsOf("value")[b]];
  const [state, violation] = [column("state"), column("violation")];
  const { xs, ys, shapes } = useMemo(
    () => ended(x.data, y.data, state?.data, violation?.data),
    [x, y, state, violation],
  );
  const points = front.values.map((v) => [num(v[a]), num(v[b])] as const);
  const ahead = [a, b].map((k) => front.directions[k] === "maximize") as [boolean, boolean];
  const corners = staircase(points, ahead);
  const one = (k: number, values: ArrayLike<number>): Axis =>
    log
      ? axis(visible(front.objectives[k]), values, "log")
      : robustAxis(visible(front.objectives[k]), values, front.directions[k]);
  const line: Line = { xs: corners.map((c) => c[0]), ys: corners.map((c) => c[1]) };
  const label = (trial: number) =>
    `trial ${trial} · ${visible(x.name)} ${number(xs[trial])}, ${visible(y.name)} ${number(ys[trial])}${violation && violation.data[trial] > 0 ? " · misses a constraint" : ""}`;
  const summary = `${visible(y.name)} (${front.directions[b]}) against ${visible(x.name)} (${front.directions[a]}): ${plural(points.length, "trial")} on the front.`;
  return (
    <Scatter
      name={`front ${a} ${b}`}
      x={one(a, xs)}
      y={one(b, ys)}
      xs={xs}
      ys={ys}
      states={shapes}
      lines={corners.length > 0 ? [line] : []}
      rings={front.knee === null ? [] : [front.knee]}
      summary={summary}
      label={label}
      height={tall ? 420 : 280}
      onPick={(trial) => go(href("trials", id, { trial: String(trial) }))}
      onBrush={(box, mode, done) => brushed({ keys: [x.key, y.key], ranges: [box.x, box.y], mode }, done)}
      onReset={clearSelection}
    />
  );
}

/** Objectives of complete trials (NaN of the others), and the shape of each. */
function ended(x: ArrayLike<number>, y: ArrayLike<number>, state?: ArrayLike<number>, violation?: ArrayLike<number>) {
  const n = x.length;
  const [xs, ys, shapes] = [
    new Float32Array(n).fill(NaN),
    new Float32Array(n).fill(NaN),
    new Uint8Array(n).fill(COMPLETE),
  ];
  for (let i = 0; i < n; i++) {
    if (state && state[i] !== COMPLETE) continue;
    [xs[i], ys[i]] = [x[i], y[i]];
    if (violation && violation[i] > 0) shapes[i] = MISSED;
  }
  return { xs, ys, shapes };
}

function FrontTable({ answer, id }: { answer: Answer<Tradeoff>; id: number }) {
  return (
    <AnswerPanel title="Trials on the front" answer={answer} nothing={nothing}>
      {(front) => <FrontRows front={front} id={id} />}
    </AnswerPanel>
  );
}

function FrontRows({ front, id }: { front: Front; id: number }) {
  const { query } = route.value;
  const by = query.get("by");
  const sort = by === null ? [] : [{ key: by, descending: query.get("down") === "1" }];
  const params = columnsOf("param");
  const columns: TableColumn[] = [
    {
      key: "number",
      title: "trial",
      numeric: true,
      width: 70,
      cell: (i) => (
        <a href={href("trials", id, { trial: String(front.numbers[i]) })}>
          {front.numbers[i]}
          {front.numbers[i] === front.knee ? " ◯" : ""}
        </a>
      ),
      by: (i) => front.numbers[i],
    },
    ...front.objectives.map((name, k): TableColumn => ({
      key: String(k),
      title: visible(name),
      numeric: true,
      width: 96,
      cell: (i) => number(num(front.values[i][k])),
      by: (i) => num(front.values[i][k]),
    })),
    ...params.map(({ key, name, data, options }): TableColumn => {
      const of = (i: number) => data[front.numbers[i]];
      return {
        key,
        title: visible(name),
        numeric: !options,
        width: 96,
        cell: (i) => (options ? visible(options[of(i)] ?? "–") : number(of(i))),
        by: of,
      };
    }),
  ];
  return (
    <Table
      name="front"
      label="Trials on the front"
      columns={columns}
      rows={front.numbers.map((_, i) => i)}
      height={300}
      sort={sort}
      onSort={([{ key, descending }]) => setQuery({ by: key, down: descending ? "1" : null })}
      current={front.numbers.indexOf(hover.value)}
      onCurrent={(i) => (hover.value = front.numbers[i])}
      onHover={(i) => (hover.value = i < 0 ? -1 : front.numbers[i])}
      onOpen={(i) => go(href("trials", id, { trial: String(front.numbers[i]) }))}
    />
  );
}

function VolumePanel({ answer }: { answer: Answer<Tradeoff> }) {
  return (
    <AnswerPanel
      title="Dominated volume"
      answer={answer}
      note={answer.value && !answer.value.volume.is_exact ? "estimated from random points" : undefined}
      nothing={nothing}
      table={({ volume: v }) => ({
        columns: ["trials that ended", "trial", "share", "volume"],
        rows: v.trials.map((n, i) => [n, v.numbers[i], num(v.share[i]), num(v.volume[i])]),
      })}
    >
      {({ volume: v }) => {
        const share = v.share.map((s) => 100 * num(s));
        const reference = v.reference.map((r, k) => `${visible(v.objectives[k])} ${number(num(r))}`).join(", ");
        return (
          <>
            <Ribbons
              name="volume"
              height={250}
              x={whole("trials that ended", [0, ...v.trials])}
              y={axis("dominated, % of the box", [0, ...share])}
              curves={[{ label: "dominated", xs: v.trials, ys: share, ink: 0, step: true }]}
              summary={`The front dominates ${percent(num(v.share[v.share.length - 1]))} of the box between the best value of each objective and the reference, after ${plural(v.trials[v.trials.length - 1], "trial")}.`}
            />
            <p class="note">The box lies between the best value of each objective and {reference}.</p>
          </>
        );
      }}
    </AnswerPanel>
  );
}
