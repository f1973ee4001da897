// What the surrogate believes: each parameter's effect and how sure it is, how two act together, how well it predicts, and what it would try next.
import { useMemo, useState } from "preact/hooks";
import { type Answer, ApiError, isStatic, useAnswer, useLasting } from "../api.js";
import { AnswerPanel } from "../components/Panel.js";
import { Copy, Select, Tile } from "../components/parts.js";
import { chosenTo } from "../configuration.js";
import { number, percent, plural, value as told, visible } from "../format.js";
import { all, axis, robustAxis } from "../plots/axes.js";
import { Heatmap } from "../plots/Heatmap.js";
import { Ribbons } from "../plots/Ribbons.js";
import type { Axis } from "../plots/scale.js";
import { Scatter } from "../plots/Scatter.js";
import { type Column, type Num, num } from "../protocol.js";
import { go, href, route, setQuery } from "../router.js";
import { column, columns, columnsOf, revision, study } from "../store.js";

/** `analysis/effects.py`, in JSON. */
export interface Effect {
  objective: string;
  parameter: string;
  grid: unknown[];
  is_log: boolean;
  is_option: boolean;
  mean: Num[];
  low: Num[];
  high: Num[];
  support: number[];
  trials: number;
}

export interface Interaction {
  objective: string;
  parameters: [string, string];
  grids: [unknown[], unknown[]];
  is_log: [boolean, boolean];
  is_option: [boolean, boolean];
  mean: Num[][];
  low: Num[][];
  high: Num[][];
  support: number[][];
  strength: Num;
}

/** `analysis/quality.py`, in JSON. */
export interface Quality {
  objective: string;
  trials: number;
  numbers: number[];
  observed: Num[];
  predicted: Num[];
  low: Num[];
  high: Num[];
  r2: Num;
  rank_correlation: Num;
  coverage: Num;
  noise: Num;
}

/** What a free worker would do now. */
export interface Next {
  does: "start" | "fork" | "repeat" | "resume" | "stop" | "wait" | "nothing";
  number: number | null;
  params?: Record<string, unknown>;
  budget?: Record<string, number> | null;
  parent?: number | null;
  confirms?: number | null;
  why?: { arm: string; reason: string; mean: Num; sd: Num; exploration: Num; text: string } | null;
}

export default function ModelPage() {
  const open = study.value;
  const { query } = route.value;
  const objectives = open?.problem.objectives ?? [];
  const objective = query.get("objective") ?? objectives[0]?.name ?? "";
  const of = open && `studies/${open.id}`;
  const about = new URLSearchParams({ objective });
  const telling = useMemo(ended, [columns.value]);
  const [top, setTop] = useState(FIRST);
  const effects = useLasting<{ effects: Effect[] }>(
    of && telling >= LEAST ? `${of}/effects?${about}&top=${top}` : null,
    revision.value,
    `${of} ${objective}`,
  );
  const quality = useAnswer<Quality>(of && telling >= LEAST ? `${of}/quality?${about}` : null, revision.value);
  const next = useAnswer<Next>(of && `${of}/next`, revision.value);
  if (!open) return null;
  const params = columnsOf("param").map((c) => c.name);
  return (
    <div class="page">
      {objectives.length > 1 && !isStatic && (
        <div class="wide">
          <Select
            label="Objective"
            value={objective}
            options={objectives.map((o) => ({ value: o.name, label: visible(o.name) }))}
            onChange={(v) => setQuery({ objective: v })}
          />
        </div>
      )}
      <div class="wide side-by-side">
        <NextPanel answer={next} />
        <QualityPanel answer={quality} id={open.id} />
      </div>
      <EffectsPanel answer={effects} of={params.length} top={top} onTop={setTop} />
      {params.length > 1 && telling >= LEAST && <Together id={open.id} objective={objective} names={params} />}
    </div>
  );
}

const LEAST = 3;

/** Trials that a surrogate can learn from: complete, with finite objectives. */
function ended(): number {
  const [state, values] = [column("state"), columnsOf("value")];
  let found = 0;
  for (let i = 0; state && i < state.data.length; i++)
    if (state.data[i] === 1 && values.every((v) => Number.isFinite(v.data[i]))) found++;
  return found;
}

/** Why there is no model yet, where that is all that is wrong. */
function early({ value, error, loading }: Answer<unknown>): string | undefined {
  if (value !== null || loading) return undefined;
  if (error instanceof ApiError && error.status === 409) return `No model yet: ${visible(error.message)}.`;
  return error ? undefined : `No model yet: it takes ${LEAST} complete trials with finite values at least.`;
}

/** How far the mean goes up and down: what effects are sorted by, so that the first ones matter most. */
const reach = (e: Effect): number => {
  const means = e.mean.map(num).filter(Number.isFinite);
  return means.length > 0 ? Math.max(...means) - Math.min(...means) : 0;
};
export const sortedEffects = (effects: readonly Effect[]): Effect[] => [...effects].sort((a, b) => reach(b) - reach(a));

const SURE = 3; // so many trials near a value, and it is no guess any more
const BESIDE = [0.5, 1, 0.5]; // what trials count for at values beside theirs

/** How near data are, from 0 to 1: counts of trials, those at the neighbouring values for a half. */
export const near = (counts: readonly number[], isOption = false): number[] =>
  counts.map((own, i) =>
    Math.min(
      1,
      (isOption ? own : BESIDE.reduce((sum, weight, k) => sum + weight * (counts[i + k - 1] ?? 0), 0)) / SURE,
    ),
  );

/** The same over a table, along both of its sides. */
export function nearBoth(
  counts: readonly (readonly number[])[],
  [first, second]: readonly [boolean, boolean],
): number[][] {
  const along = counts.map((row) => near(row, second).map((share) => share * SURE));
  return transposed(transposed(along).map((column) => near(column, first)));
}

/** An axis of plain values: options and texts by name, numbers as they are. */
export function gridAxis(
  name: string,
  grid: readonly unknown[],
  log: boolean,
  option: boolean,
): { axis: Axis; at: number[] } {
  const numeric = !option && grid.every((v) => typeof v === "number");
  if (!numeric)
    return {
      axis: { ...axis(visible(name), [0, grid.length - 1], "category"), options: grid.map(told) },
      at: grid.map((_, i) => i),
    };
  const at = grid as number[];
  const kind = log && at[0] > 0 ? "log" : at.every(Number.isInteger) ? "integer" : "linear";
  return { axis: { label: visible(name), kind, low: at[0], high: at[at.length - 1] }, at };
}

/** So many effects are told at first, and at most. */
const FIRST = 12;
const MOST = 50;

function EffectsPanel({
  answer,
  of,
  top,
  onTop,
}: {
  answer: Answer<{ effects: Effect[] }>;
  of: number;
  top: number;
  onTop: (top: number) => void;
}) {
  const found = sortedEffects(answer.value?.effects ?? []);
  const range = all(...found.flatMap((e) => [e.low.map(num), e.high.map(num)]));
  const goal = study.value?.problem.objectives.find((o) => o.name === found[0]?.objective);
  const y = robustAxis(visible(found[0]?.objective ?? ""), range, goal?.direction ?? null);
  return (
    <AnswerPanel
      title="Effect of each parameter"
      wide
      answer={answer}
      empty={early(answer)}
      note="mean of the surrogate over what the others had, and where that mean lies in 8 of 10; grey: no data"
      nothing={(a) => (a.effects.length === 0 ? "This study has no parameter that its surrogate could tell of." : null)}
      table={() => ({
        columns: ["parameter", "value", "mean", "low", "high", "trials near"],
        rows: found.flatMap((e) =>
          e.grid.map((v, i) => [e.parameter, v, num(e.mean[i]), num(e.low[i]), num(e.high[i]), e.support[i]]),
        ),
      })}
    >
      {() => (
        <>
          <div class="pairs">
            {found.map((e) => (
              <EffectPlot key={e.parameter} e={e} y={y} />
            ))}
          </div>
          {of > FIRST && !isStatic && (
            <button type="button" onClick={() => onTop(top === FIRST ? MOST : FIRST)}>
              {top === FIRST ? `More than the ${FIRST} that matter most` : `Only the ${FIRST} that matter most`}
            </button>
          )}
        </>
      )}
    </AnswerPanel>
  );
}

function EffectPlot({ e, y }: { e: Effect; y: Axis }) {
  const { axis: x, at } = gridAxis(e.parameter, e.grid, e.is_log, e.is_option);
  const [mean, low, high] = [e.mean.map(num), e.low.map(num), e.high.map(num)];
  const options = x.kind === "category";
  const [least, most] = [mean.indexOf(Math.min(...mean)), mean.indexOf(Math.max(...mean))];
  const guessed = e.support.filter((s) => s === 0).length;
  const summary = `${visible(e.objective)} by ${visible(e.parameter)}: from ${number(mean[least])} at ${told(e.grid[least])} to ${number(mean[most])} at ${told(e.grid[most])}${guessed > 0 ? `; at ${guessed} of ${e.grid.length} values there are no data` : ""}.`;
  return (
    <div>
      <h3 class="line" title={visible(e.parameter)}>
        {visible(e.parameter)} <span class="note">{plural(e.trials, "trial")}</span>
      </h3>
      <Ribbons
        name={`effect ${e.parameter}`}
        {...{ x, y, summary }}
        height={190}
        legend={false}
        support={{ xs: at, share: near(e.support, options) }}
        curves={[{ label: "mean", xs: at, ys: mean, ink: 0, dots: options ? "alone" : undefined, width: 2 }]}
        ribbons={[{ xs: at, low, high, ink: 0 }]}
      />
    </div>
  );
}

function Together({ id, objective, names }: { id: number; objective: string; names: readonly string[] }) {
  const { query } = route.value;
  const strongest = useAnswer<Interaction>(
    `studies/${id}/interaction?${new URLSearchParams({ objective })}`,
    revision.value,
  );
  const known = (asked: string | null) => (asked !== null && names.includes(asked) ? asked : null);
  const a = known(query.get("a")) ?? strongest.value?.parameters[0] ?? names[0];
  const b =
    known(query.get("with")) ??
    strongest.value?.parameters.find((name) => name !== a) ??
    names.find((name) => name !== a) ??
    a;
  const isStrongest = known(query.get("a")) === null && known(query.get("with")) === null;
  const chosen = useLasting<Interaction>(
    isStrongest || a === b ? null : `studies/${id}/interaction?${new URLSearchParams({ a, b, objective })}`,
    revision.value,
    `${id} ${objective}`,
  );
  const answer = isStrongest ? strongest : chosen;
  const choose = (label: string, value: string, key: string) => (
    <Select
      label={label}
      value={value}
      options={names.map((n) => ({ value: n, label: visible(n) }))}
      onChange={(v) => setQuery({ [key]: v })}
    />
  );
  const told3 =
    answer.value && Number.isFinite(num(answer.value.strength))
      ? `${percent(num(answer.value.strength))} of what they do, neither does alone`
      : undefined;
  return (
    <AnswerPanel
      title="Two parameters together"
      wide
      answer={answer}
      actions={
        !isStatic && (
          <>
            {choose("x", a, "a")}
            {choose("y", b, "with")}
          </>
        )
      }
      note={told3}
      empty={a === b && !isStrongest ? "A parameter does not act together with itself: choose two." : early(answer)}
      table={(i) => ({
        columns: [i.parameters[0], i.parameters[1], "mean", "low", "high", "trials near"],
        rows: i.grids[0].flatMap((u, p) =>
          i.grids[1].map((v, q) => [u, v, num(i.mean[p][q]), num(i.low[p][q]), num(i.high[p][q]), i.support[p][q]]),
        ),
      })}
    >
      {(i) => <TogetherPlot i={i} />}
    </AnswerPanel>
  );
}

/** Rows to columns: the server has the first parameter's values as rows, a heat map the second's. */
export const transposed = <T,>(rows: readonly (readonly T[])[]): T[][] =>
  (rows[0] ?? []).map((_, k) => rows.map((row) => row[k]));

/** Where a trial stands on an axis; NaN where the parameter was not active. */
function placed(parameter: Column, { kind, options }: Axis, row: number): number {
  const text = parameter.options?.[parameter.data[row]];
  if (kind !== "category") return parameter.options ? Number(text) : parameter.data[row];
  const place = options?.indexOf(text === undefined ? told(parameter.data[row]) : visible(text)) ?? -1;
  return place < 0 ? NaN : place;
}

const MOST_POINTS = 1000;

/** Where complete trials lie in both parameters; of many an even part. */
function trialsAt(i: Interaction, axes: { axis: Axis; at: number[] }[]): { xs: number[]; ys: number[] } | undefined {
  const [a, b] = i.parameters.map((name) => columnsOf("param").find((c) => c.name === name));
  const state = column("state");
  if (!a || !b || !state) return undefined;
  const complete = Array.from(state.data.keys()).filter((row) => state.data[row] === 1);
  const rows = complete.filter((_, k) => k % Math.ceil(complete.length / MOST_POINTS) === 0);
  return { xs: rows.map((row) => placed(a, axes[0].axis, row)), ys: rows.map((row) => placed(b, axes[1].axis, row)) };
}

function TogetherPlot({ i }: { i: Interaction }) {
  const [x, y] = [0, 1].map((k) => gridAxis(i.parameters[k], i.grids[k], i.is_log[k], i.is_option[k]));
  const values = transposed(i.mean).map((row) => row.map(num));
  const flat = values.flat();
  const goal = study.value?.problem.objectives.find((o) => o.name === i.objective)?.direction ?? "minimize";
  const best = flat.indexOf(goal === "maximize" ? Math.max(...flat) : Math.min(...flat));
  const [p, q] = [best % x.at.length, Math.floor(best / x.at.length)];
  const summary = `${visible(i.objective)} by ${visible(i.parameters[0])} and ${visible(i.parameters[1])}: best, ${number(flat[best])}, at ${told(i.grids[0][p])} and ${told(i.grids[1][q])}.`;
  return (
    <Heatmap
      name="interaction"
      x={x.axis}
      y={y.axis}
      xs={x.at}
      ys={y.at}
      values={values}
      support={transposed(nearBoth(i.support, i.is_option))}
      points={trialsAt(i, [x, y])}
      label={visible(i.objective)}
      summary={summary}
      height={360}
    />
  );
}

/** How much the predictions are worth, in a sentence. */
export function judged({ r2, coverage }: Pick<Quality, "r2" | "coverage">): string {
  const [share, inside] = [num(r2), num(coverage)];
  if (!Number.isFinite(share)) return "All values are equal: there is nothing to predict.";
  const how =
    share >= 0.7
      ? "predicts well"
      : share >= 0.3
        ? "predicts roughly: trust its trends, not its figures"
        : "predicts poorly: the objective may be noisy, or the trials too few; do not trust what it believes";
  const sure = inside < 0.65 ? " It is too sure of itself: fewer values lie in their intervals than should." : "";
  return `The surrogate ${how}.${sure}`;
}

function QualityPanel({ answer, id }: { answer: Answer<Quality>; id: number }) {
  return (
    <AnswerPanel
      title="How well it predicts"
      answer={answer}
      empty={early(answer)}
      note={answer.value ? `each of ${plural(answer.value.numbers.length, "trial")} from the others` : undefined}
      table={(q) => ({
        columns: ["trial", "observed", "predicted", "low", "high"],
        rows: q.numbers.map((n, i) => [n, num(q.observed[i]), num(q.predicted[i]), num(q.low[i]), num(q.high[i])]),
      })}
    >
      {(q) => <QualityPlot q={q} id={id} />}
    </AnswerPanel>
  );
}

function QualityPlot({ q, id }: { q: Quality; id: number }) {
  const [observed, predicted] = [q.observed.map(num), q.predicted.map(num)];
  const both = robustAxis("", [...observed, ...predicted]);
  const ends = [both.low, both.high];
  const at = new Map(q.numbers.map((n, i) => [n, i]));
  const label = (trial: number) => {
    const i = at.get(trial) as number;
    return `trial ${trial} · observed ${number(observed[i])}\npredicted ${number(predicted[i])}, ${number(num(q.low[i]))} to ${number(num(q.high[i]))}`;
  };
  return (
    <>
      <p>{judged(q)}</p>
      <div class="tiles">
        <Tile label="R²" title="The share of the variance that is predicted: 1 is perfect, 0 no better than the mean">
          {number(num(q.r2), 2)}
        </Tile>
        <Tile label="rank correlation" title="Spearman's, of values and predictions">
          {number(num(q.rank_correlation), 2)}
        </Tile>
        <Tile label="in their interval" note="80 % is right">
          {percent(num(q.coverage))}
        </Tile>
        <Tile label="noise" title="The share of the variance that the model takes for noise">
          {percent(num(q.noise))}
        </Tile>
      </div>
      <Scatter
        name="quality"
        x={{ ...both, label: `predicted ${visible(q.objective)}` }}
        y={{ ...both, label: `observed ${visible(q.objective)}` }}
        xs={predicted}
        ys={observed}
        trials={q.numbers}
        height={260}
        lines={[{ xs: ends, ys: ends, dashed: true }]}
        label={label}
        onPick={(trial) => go(href("trials", id, { trial: String(trial) }))}
        summary={`Observed against predicted ${visible(q.objective)} of ${plural(q.numbers.length, "trial")}: R² ${number(num(q.r2), 2)}, rank correlation ${number(num(q.rank_correlation), 2)}.`}
      />
    </>
  );
}

const DOES: Record<Next["does"], string> = {
  start: "Start a new trial",
  fork: "Go on as a copy of another trial",
  repeat: "Measure a configuration once more",
  resume: "Resume a trial that was put aside",
  stop: "Drop a trial",
  wait: "Wait for trials that run",
  nothing: "Nothing: the study has come to its end, or waits for what runs",
};

function fromWhich({ parent, confirms }: Next): string {
  return parent != null ? `, from trial ${parent}` : confirms != null ? `, that of trial ${confirms}` : "";
}

function NextPanel({ answer }: { answer: Answer<Next> }) {
  return (
    <AnswerPanel
      title="What it would try next"
      answer={answer}
      empty={early(answer)}
      note="as things stand, for one free worker"
    >
      {(n) => {
        const params = Object.entries(n.params ?? {});
        const known = study.value?.summary.params;
        const best = known && Object.keys(known).length > 0 ? known : null; // several objectives have no best one
        return (
          <>
            <p>
              <strong>{DOES[n.does]}</strong>
              {n.number !== null && n.does !== "nothing" ? ` (trial ${n.number}${fromWhich(n)})` : ""}.
            </p>
            {params.length > 0 && !n.why && (
              <p class="note">The sampler, {visible(study.value?.sampler ?? "")}, tells no reason.</p>
            )}
            {n.why && (
              <p>
                {visible(n.why.arm)}: {visible(n.why.reason)}.{outlook(n)}
              </p>
            )}
            {params.length > 0 && (
              <div class="figures" tabIndex={0} role="region" aria-label="The configuration that it would try">
                <table>
                  <thead>
                    <tr>
                      <th scope="col">parameter</th>
                      <th scope="col">next</th>
                      {best && <th scope="col">the best so far</th>}
                    </tr>
                  </thead>
                  <tbody>
                    {params.map(([name, v]) => (
                      <tr key={name}>
                        <th scope="row" class="line" title={visible(name)}>
                          {visible(name)}
                        </th>
                        <td>{told(v)}</td>
                        {best && <td>{told(Object.hasOwn(best, name) ? best[name] : null)}</td>}
                      </tr>
                    ))}
                  </tbody>
                </table>
              </div>
            )}
            {n.budget && (
              <p class="note">
                with{" "}
                {Object.entries(n.budget)
                  .map(([name, v]) => `${visible(name)} ${number(v)}`)
                  .join(", ")}
              </p>
            )}
            {params.length > 0 && <Copy text={JSON.stringify(n.params, null, 2)}>copy as JSON</Copy>}
          </>
        );
      }}
    </AnswerPanel>
  );
}

/** What is expected of it, and whether it is to learn or to gain. */
function outlook({ why }: Next): string {
  const [mean, sd, exploration] = [num(why?.mean), num(why?.sd), num(why?.exploration)];
  const expected = Number.isFinite(mean)
    ? ` Expected: ${number(mean)}${Number.isFinite(sd) ? ` ± ${number(sd, 2)}` : ""}.`
    : "";
  return expected + (Number.isFinite(exploration) ? ` ${chosenTo(exploration)}` : "");
}
