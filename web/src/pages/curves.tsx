// How trials learn: where all curves lie, those of the best and of the selected, where the running ones are heading, and the ladder of rungs.
import { useEffect, useState } from "preact/hooks";
import { type Answer, get, isStatic, useAnswer, useLasting } from "../api.js";
import { AnswerPanel } from "../components/Panel.js";
import { Select, Switch } from "../components/parts.js";
import { count, number, percent, plural, visible } from "../format.js";
import { all, axis, robustAxis, whole } from "../plots/axes.js";
import { type Curve, type Ribbon, Ribbons } from "../plots/Ribbons.js";
import { type Num, num } from "../protocol.js";
import { href, go, route, setQuery } from "../router.js";
import { selection } from "../selection.js";
import { column, revision, study } from "../store.js";

/** `analysis/curves.py`, in JSON. */
export interface TrialCurve {
  number: number;
  state: string;
  steps: number[];
  values: Num[];
}

export interface Curves {
  metric: string;
  direction: string | null;
  steps: number[];
  /** 10, 25, 50, 75 and 90 % at each step. */
  quantiles: Num[][];
  count: number[];
  top: TrialCurve[];
  chosen: TrialCurve[];
  metrics: string[];
}

export interface Forecast {
  horizon: number;
  mean: Num;
  low: Num;
  high: Num;
  probability: Num;
}

/** `analysis/rungs.py`, in JSON. */
export interface Rung {
  step: number;
  budget: Num;
  came: number;
  went_on: number;
  stopped: number;
  waiting: number;
  failed: number;
  running: number;
  numbers: number[];
  values: Num[];
  is_beyond: boolean[];
  cut: Num;
}

export interface Ladder {
  metric: string;
  direction: string;
  unit: string;
  trials: number;
  rungs: Rung[];
}

const MOST = 12;

export default function CurvesPage() {
  const { query } = route.value;
  const open = study.value;
  if (!open) return null;
  const running = open.summary.running.slice(0, MOST).map((t) => t.number);
  const chosen = selected(MOST);
  const asked = new URLSearchParams({ top: query.get("top") ?? "5" });
  if (query.get("metric")) asked.set("metric", query.get("metric") as string);
  const numbers = [...new Set([...running, ...chosen])];
  if (numbers.length > 0) asked.set("numbers", numbers.join(","));
  const curves = useLasting<Curves>(
    `studies/${open.id}/curves?${asked}`,
    revision.value,
    `${open.id} ${query.get("metric")}`,
  );
  const rungs = useAnswer<Ladder>(`studies/${open.id}/rungs`, revision.value);
  return (
    <div class="page">
      <CurvesPanel answer={curves} running={running} chosen={chosen} id={open.id} />
      <RungsPanel answer={rungs} />
    </div>
  );
}

/** The trials that are selected, where they are few enough to be drawn one by one. */
function selected(most: number): number[] {
  const { mask, count: chosen } = selection.value;
  if (mask === null || chosen > most) return [];
  return Array.from(mask.keys()).filter((i) => mask[i] === 1);
}

/** What is believed of where running trials end. One that there is nothing to say of is left out. */
function useForecasts(id: number, running: readonly number[], when: number): Map<number, Forecast> {
  const [known, setKnown] = useState(new Map<number, Forecast>());
  useEffect(() => {
    let current = true;
    if (isStatic) return; // a report is of what is over
    const one = (n: number) =>
      get<{ forecast: Forecast | null }>(`studies/${id}/trials/${n}/forecast`).catch(() => null);
    void Promise.all(running.map(async (n) => [n, (await one(n))?.forecast ?? null] as const)).then((found) => {
      if (current) setKnown(new Map(found.filter((f): f is [number, Forecast] => f[1] !== null)));
    });
    return () => {
      current = false;
    };
  }, [id, running.join(), when]);
  return known;
}

function CurvesPanel({
  answer,
  running,
  chosen,
  id,
}: {
  answer: Answer<Curves>;
  running: number[];
  chosen: number[];
  id: number;
}) {
  const { query } = route.value;
  const forecasts = useForecasts(id, running, revision.value);
  const [against, logY] = [query.get("x") ?? "steps", query.get("y") === "log"];
  const tooMany = selection.value.mask !== null && selection.value.count > MOST;
  const metrics = answer.value?.metrics ?? [];
  const actions = (
    <>
      {metrics.length > 1 && !isStatic && (
        <Select
          label="Metric"
          value={answer.value?.metric ?? ""}
          options={metrics.map((m) => ({ value: m, label: visible(m) }))}
          onChange={(metric) => setQuery({ metric })}
        />
      )}
      {!isStatic && (
        <Switch
          label="How many of the best"
          value={query.get("top") ?? "5"}
          options={["0", "5", "20"].map((value) => ({ value, label: `top ${value}` }))}
          onChange={(top) => setQuery({ top })}
        />
      )}
      <Switch
        label="Against"
        value={against}
        options={AGAINST}
        onChange={(x) => setQuery({ x: x === "steps" ? null : x })}
      />
      <Switch
        label="Values"
        value={logY ? "log" : "linear"}
        options={[
          { value: "linear", label: "values" },
          { value: "log", label: "log" },
        ]}
        onChange={(y) => setQuery({ y: y === "log" ? y : null })}
      />
    </>
  );
  return (
    <AnswerPanel
      title="Learning curves"
      wide
      answer={answer}
      actions={actions}
      note={
        answer.value && answer.value.steps.length > 0
          ? `${against === "time" ? "as if all steps of a trial took equally long" : `band over ${plural(Math.max(...answer.value.count), "trial")}`}${tooMany ? `; ${count(selection.value.count)} are selected, select ${MOST} or fewer to see their curves` : ""}`
          : undefined
      }
      nothing={(c) =>
        c.steps.length === 0
          ? "No trial has reported a value at a step. Call trial.report(value, step) in the objective, and its curves stand here."
          : null
      }
      table={(c) => ({
        columns: ["step", "trials", "10 %", "25 %", "median", "75 %", "90 %"],
        rows: c.steps.map((step, i) => [step, c.count[i], ...c.quantiles.map((q) => num(q[i]))]),
      })}
    >
      {(c) => (
        <CurvesPlot found={c} forecasts={forecasts} chosen={new Set(chosen)} against={against} logY={logY} id={id} />
      )}
    </AnswerPanel>
  );
}

const AGAINST = [
  { value: "steps", label: "steps" },
  { value: "log", label: "log steps" },
  {
    value: "time",
    label: "time",
    title: "Seconds of each trial, as if all its steps took equally long; the band is over steps, and not shown",
  },
];

/** Seconds that a step of a trial takes on average; NaN where that is not known. */
function pace(trial: number): number {
  const [seconds, step] = [column("seconds")?.data[trial] ?? NaN, column("step")?.data[trial] ?? NaN];
  return step > 0 ? seconds / step : NaN;
}

/** Curves over the seconds of their trials; those whose seconds are not known, and what is of all trials, are left out. */
export function timed(curves: readonly Curve[], pace: (trial: number) => number): Curve[] {
  return curves.flatMap((curve) => {
    const seconds = curve.trial === undefined || curve.dashed ? NaN : pace(curve.trial);
    return Number.isFinite(seconds) ? [{ ...curve, xs: Array.from(curve.xs, (step) => step * seconds) }] : [];
  });
}

/** All curves of the picture, and the bands beneath them. */
export function picture(
  c: Curves,
  forecasts: ReadonlyMap<number, Forecast>,
  chosen: ReadonlySet<number>,
): { curves: Curve[]; ribbons: Ribbon[] } {
  const quantiles = c.quantiles.map((q) => q.map(num));
  const [q10, q25, , q75, q90] = quantiles;
  const ribbons: Ribbon[] = [
    { xs: c.steps, low: q10, high: q90, ink: "muted", opacity: 0.16, label: "middle 80 % of all" },
    { xs: c.steps, low: q25, high: q75, ink: "muted", opacity: 0.24, label: "middle half" },
  ];
  const one = (t: TrialCurve, ink: number, label: string): Curve => ({
    label,
    xs: t.steps,
    ys: t.values.map(num),
    ink,
    trial: t.number,
    width: 1.8,
  });
  const curves: Curve[] = [{ label: "median", xs: c.steps, ys: quantiles[2], ink: "text", width: 1.5, dashed: true }];
  c.top.forEach((t, place) =>
    curves.push({
      ...one(t, place === 0 ? 0 : 3, place === 0 ? `best: trial ${t.number}` : `trial ${t.number}`),
      named: place === 1 ? `the next ${c.top.length - 1}` : place > 1 ? null : undefined,
    }),
  );
  for (const t of c.chosen) {
    const running = t.state === "RUNNING";
    if (running || chosen.has(t.number))
      curves.push(one(t, running ? 2 : 1, `${running ? "running" : "selected"}: trial ${t.number}`));
    const ahead = forecasts.get(t.number);
    if (!ahead || t.steps.length === 0) continue;
    const [last, value] = [t.steps[t.steps.length - 1], num(t.values[t.values.length - 1])];
    curves.push({
      label: told(ahead, t.number),
      xs: [last, ahead.horizon],
      ys: [value, num(ahead.mean)],
      ink: 2,
      dashed: true,
      trial: t.number,
      named: null,
    });
    ribbons.push({
      xs: [last, ahead.horizon],
      low: [value, num(ahead.low)],
      high: [value, num(ahead.high)],
      ink: 2,
      opacity: 0.08,
    });
  }
  return { curves, ribbons };
}

const told = ({ low, high, probability }: Forecast, trial: number): string =>
  `trial ${trial} is to end between ${number(num(low))} and ${number(num(high))} (8 of 10)${Number.isFinite(num(probability)) ? `, better than the best with ${percent(num(probability))}` : ""}`;

function CurvesPlot({
  found,
  forecasts,
  chosen,
  against,
  logY,
  id,
}: {
  found: Curves;
  forecasts: ReadonlyMap<number, Forecast>;
  chosen: ReadonlySet<number>;
  against: string;
  logY: boolean;
  id: number;
}) {
  const over = picture(found, forecasts, chosen);
  const inTime = against === "time";
  const [curves, ribbons] = inTime ? [timed(over.curves, pace), []] : [over.curves, over.ribbons];
  const values = all(...curves.map((c) => c.ys), ...(inTime ? [] : found.quantiles.map((q) => q.map(num)))); // a forecast that is wide open may leave the plot
  const steps = curves.flatMap((c) => Array.from(c.xs));
  const x = inTime ? axis("seconds of the trial", [0, ...steps], "duration") : whole("step", steps, against === "log");
  const y = robustAxis(
    visible(found.metric),
    values,
    found.direction,
    logY && values.some((v) => v > 0) ? "log" : "linear",
  );
  const last = found.steps.length - 1;
  const summary =
    `Learning curves of ${visible(found.metric)} over ${plural(found.steps.length, "step")}: the median ends at ${number(num(found.quantiles[2][last]))}` +
    (found.top.length > 0
      ? `, that of the best, trial ${found.top[0].number}, at ${number(num(found.top[0].values[found.top[0].values.length - 1]))}.`
      : ".");
  return (
    <Ribbons
      {...{ x, y, curves, ribbons, summary }}
      name="curves"
      height={360}
      onPick={(trial) => go(href("trials", id, { trial: String(trial) }))}
    />
  );
}

const COLUMNS = ["rung", "came", "went on", "stopped", "waiting", "running", "failed", "worst that went on"];

function RungsPanel({ answer }: { answer: Answer<Ladder> }) {
  const unit = answer.value?.unit ?? "step";
  return (
    <AnswerPanel
      title="Rungs"
      wide
      answer={answer}
      note={
        answer.value && answer.value.rungs.length > 0
          ? `of ${plural(answer.value.trials, "trial")} that began`
          : undefined
      }
      nothing={(l) =>
        l.rungs.length === 0
          ? 'No trial was stopped early or put aside, so there is no ladder. Give the study a scheduler, such as scheduler="asha", and report values at steps.'
          : null
      }
      table={(l) => ({
        columns: COLUMNS,
        rows: l.rungs.map((r) => [
          place(r, unit),
          r.came,
          r.went_on,
          r.stopped,
          r.waiting,
          r.running,
          r.failed,
          num(r.cut),
        ]),
      })}
    >
      {(l) => (
        <>
          <Steps ladder={l} />
          <RungValues ladder={l} />
        </>
      )}
    </AnswerPanel>
  );
}

const place = ({ step, budget }: Rung, unit: string): string =>
  Number.isFinite(num(budget)) && unit !== "step" ? `${visible(unit)} ${number(num(budget))}` : `step ${count(step)}`;

/** What became of those that came to a rung, in the order in which it is drawn. */
const FATES = [
  ["went_on", "went on", "complete"],
  ["running", "running", "running"],
  ["waiting", "waiting", "paused"],
  ["stopped", "stopped", "pruned"],
  ["failed", "failed", "failed"],
] as const;

function Steps({ ladder }: { ladder: Ladder }) {
  const most = Math.max(1, ...ladder.rungs.map((r) => r.came));
  return (
    <ol
      class="ladder"
      aria-label={`${plural(ladder.rungs.length, "rung")}: ${ladder.rungs.map((r) => `${r.came} trials came to ${place(r, ladder.unit)}, ${r.went_on} went on`).join("; ")}.`}
    >
      {ladder.rungs.map((rung) => (
        <li key={rung.step}>
          <span class="bar-name">{place(rung, ladder.unit)}</span>
          <span class="ladder-track" aria-hidden="true">
            {FATES.map(
              ([key, , state]) =>
                rung[key] > 0 && (
                  <span key={key} class={`fill-${state}`} style={{ width: `${(100 * rung[key]) / most}%` }} />
                ),
            )}
          </span>
          <span class="ladder-words">
            {count(rung.came)} came
            {FATES.map(([key, words]) => (rung[key] > 0 ? `, ${count(rung[key])} ${words}` : "")).join("")}
          </span>
        </li>
      ))}
    </ol>
  );
}

/** What trials had when they came to each rung: those that went on, those that did not, and the worst that went on. */
function RungValues({ ladder }: { ladder: Ladder }) {
  const told = ladder.rungs.filter((r) => r.values.length > 0);
  if (told.length === 0) return null;
  const options = told.map((r) => place(r, ladder.unit));
  const points = (beyond: boolean) =>
    told.flatMap((r, i) =>
      r.values.flatMap((v, k) =>
        r.is_beyond[k] === beyond ? [[i + jitter(r.numbers[k]), num(v), r.numbers[k]] as const] : [],
      ),
    );
  const [on, off] = [points(true), points(false)];
  const curve = (label: string, ink: Curve["ink"], some: ReturnType<typeof points>): Curve => ({
    label,
    ink,
    dots: "alone",
    width: 1,
    xs: some.map((p) => p[0]),
    ys: some.map((p) => p[1]),
  });
  const curves = [
    curve("stopped there, or still there", "muted", off),
    curve("went on", 0, on),
    {
      label: "the worst that went on",
      ink: 1,
      dashed: true,
      dots: "also",
      xs: told.map((_, i) => i),
      ys: told.map((r) => num(r.cut)),
    } as Curve,
  ].filter((c) => all(c.ys).length > 0); // the legend names what is drawn
  const values = all(...curves.map((c) => c.ys));
  return (
    <Ribbons
      x={{ ...axis("rung", [0, told.length - 1], "category"), options }}
      y={robustAxis(visible(ladder.metric), values, ladder.direction)}
      curves={curves}
      name="rungs"
      height={260}
      summary={`What ${visible(ladder.metric)} trials had at ${plural(told.length, "rung")}, and which of them went on.`}
    />
  );
}

/** Moves points of a rung aside, each to its own place, so that they do not hide one another. */
const jitter = (trial: number): number => (((trial * 0.618034) % 1) - 0.5) * 0.6;
