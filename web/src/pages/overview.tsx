// A study at a glance: how good, how far, how fast; what it found, what mattered, what runs, and what there is to say about it.
import { useMemo, useState } from "preact/hooks";
import { mayAct } from "../actions.js";
import { useAnswer } from "../api.js";
import { AnswerPanel, Panel, type PlainTable } from "../components/Panel.js";
import { Sparkline, StateBar, StateMark, Switch, Tile } from "../components/parts.js";
import type { Configuration } from "../configuration.js";
import { count, duration, exact, gain, number, pace, percent, plural, visible } from "../format.js";
import { CopyAs, Differences } from "../parts/Configuration.js";
import { Controls } from "../parts/Controls.js";
import { Earlier } from "../parts/Earlier.js";
import { Expectation } from "../parts/Expectation.js";
import { Findings, useFindings } from "../parts/Findings.js";
import { Standing } from "../parts/Standing.js";
import { Tags } from "../parts/Tags.js";
import { Note } from "../parts/TrialActions.js";
import { Bars } from "../plots/Bars.js";
import { Scatter } from "../plots/Scatter.js";
import { type Axis, extent, padded, robust } from "../plots/scale.js";
import { num, type Num } from "../protocol.js";
import { go, href } from "../router.js";
import type { Declared } from "../space.js";
import { MEANING } from "../standing.js";
import { countsOf } from "../states.js";
import { column, columns, columnsOf, revision, study } from "../store.js";
import type { RunningTrial, Study, Summary } from "../types.js";

export default function Overview() {
  const now = study.value;
  if (now === null) return null;
  const hasNote = mayAct.value || now.note !== "";
  const isSingle = now.summary.objectives.length === 1;
  return (
    <div class="page">
      <Head study={now} />
      <Tiles study={now} />
      {isSingle ? <History study={now} /> : <FrontLink study={now} />}
      {(isSingle || hasNote) && (
        <div class="stack">
          {isSingle && <Best study={now} />}
          {hasNote && (
            <Panel title="Note">
              <Note key={now.id} study={now.id} note={now.note} />
            </Panel>
          )}
        </div>
      )}
      {isSingle && <Expectation study={now} />}
      <div class="stack">
        <HealthChecks study={now} />
        <Matters study={now} />
        {now.summary.running.length > 0 && <RunningTrials study={now} />}
      </div>
      {now.earlier > 0 && <Earlier study={now.id} />}
    </div>
  );
}

function Head({ study: { id, control, standing, workers, tags } }: { study: Study }) {
  return (
    <div class="toolbar wide">
      <Standing of={standing} />
      <span class="note">
        {workers.length > 0 ? <a href={href("timeline", id)}>{plural(workers.length, "worker")}</a> : MEANING[standing]}
      </span>
      <Tags study={id} tags={tags} />
      <span class="spring" />
      <Controls study={id} control={control} />
    </div>
  );
}

function Tiles({ study: { id, summary, budget, eta } }: { study: Study }) {
  const [first, ...others] = summary.objectives;
  const saved = num(summary.saved_share);
  return (
    <div class="tiles panel wide">
      {others.length === 0 ? (
        <Tile
          label={`best ${visible(first.name)}`}
          title={exact(num(summary.value))}
          note={<Since study={id} summary={summary} />}
        >
          {number(num(summary.value))}
        </Tile>
      ) : (
        <Tile label="on the front" note={`of ${others.length + 1} objectives`}>
          {count(summary.front.length)}
        </Tile>
      )}
      {others.length === 0 && (
        <Tile
          label="gain over the first"
          title="How much better the best is than the first trial, which has the defaults where the space has them; better is positive, also where less is better"
          note={
            summary.baseline !== null && (
              <a href={href("trials", id, { trial: String(summary.baseline) })}>#{summary.baseline}</a>
            )
          }
        >
          {gain(num(summary.gain))}
        </Tile>
      )}
      <Tile label="trials" note={<StateBar counts={countsOf(summary.states)} />}>
        {count(summary.trials)}
        {budget?.trials ? <small> of {count(budget.trials)}</small> : null}
      </Tile>
      <ul class="tile" aria-label="Trials by state">
        {countsOf(summary.states).map(
          (n, state) =>
            n > 0 && (
              <li key={state}>
                <StateMark state={state} words /> {count(n)}
              </li>
            ),
        )}
      </ul>
      <Tile
        label="saved by early stopping"
        note={saved > 0 ? `some ${duration(num(summary.saved_seconds))} not spent` : "nothing was stopped"}
      >
        {percent(saved)}
      </Tile>
      <Tile
        label="pace"
        title="Trials that ended lately"
        note={
          Number.isFinite(num(eta))
            ? `${duration(num(eta))} left`
            : `trials took ${duration(num(summary.seconds))} in all`
        }
      >
        {pace(num(summary.rate))}
      </Tile>
    </div>
  );
}

function Since({ study, summary }: { study: number; summary: Summary }) {
  const { best, since_best } = summary;
  if (best === null) return <>{whyNone(summary).toLowerCase().slice(0, -1)}</>;
  return (
    <>
      <a href={href("trials", study, { trial: String(best) })}>#{best}</a>,{" "}
      {since_best > 0 ? `${plural(since_best, "trial")} ago` : "the latest"}
    </>
  );
}

const whyNone = ({ states }: Summary): string =>
  states.COMPLETE ? "No complete trial is feasible and finite." : "No complete trial yet.";

// -- the best so far ----------------------------------------------------------------------------------------------------

interface Convergence {
  x: Num[];
  best: Num[];
  numbers: number[];
}

const AGAINST = [
  { value: "trials", label: "trials", title: "Trials that ended" },
  { value: "time", label: "time", title: "Since the first trial began" },
  { value: "cost", label: "cost", title: "Seconds of all trials together" },
];

function History({ study: { id, summary } }: { study: Study }) {
  const [against, setAgainst] = useState("trials");
  const answer = useAnswer<Convergence>(`studies/${id}/convergence?against=${against}`, revision.value);
  const { name, direction } = summary.objectives[0];
  return (
    <AnswerPanel
      wide
      title="Best so far"
      note={`${direction} ${visible(name)}`}
      answer={answer}
      table={improvements}
      actions={<Switch label="Against" options={AGAINST} value={against} onChange={setAgainst} />}
      nothing={({ x }) => (x.length === 0 ? whyNone(summary) : null)}
    >
      {(convergence) => (
        <Course
          study={id}
          against={against}
          convergence={convergence}
          name={visible(name)}
          isMaximal={direction === "maximize"}
        />
      )}
    </AnswerPanel>
  );
}

function improvements({ x, best, numbers }: Convergence): PlainTable {
  return { columns: ["at", "best", "trial"], rows: x.map((at, i) => [num(at), num(best[i]), numbers[i]]) };
}

interface CourseProps {
  study: number;
  against: string;
  convergence: Convergence;
  name: string;
  isMaximal: boolean;
}

function Course({ study: id, against, convergence, name, isMaximal }: CourseProps) {
  const ys = columnsOf("value")[0]?.data ?? new Float32Array();
  const xs = useMemo(() => placesOf(against), [columns.value, against]);
  const range = useMemo(() => robust(ys, isMaximal ? "high" : "low"), [ys, isMaximal]);
  const line = useMemo(
    () => ({ xs: convergence.x.map(num), ys: convergence.best.map(num), step: true }),
    [convergence],
  );
  const [low, high] = extent([...extent(xs), ...line.xs]);
  const x: Axis = padded({ label: against, kind: against === "trials" ? "integer" : "duration", low, high }, 0.02);
  const last = line.ys.length - 1;
  return (
    <Scatter
      name="history"
      height={260}
      xs={xs}
      ys={ys}
      states={column("state")?.data}
      lines={[line]}
      rings={[convergence.numbers[last]]}
      x={x}
      y={padded({ label: name, kind: "linear", ...range })}
      label={(row) => `trial ${row}\n${name} ${number(ys[row])}`}
      onPick={(trial) => go(href("trials", id, { trial: String(trial) }))}
      summary={`The best ${name} went from ${number(line.ys[0])} to ${number(line.ys[last])} in ${plural(new Set(convergence.numbers).size - 1, "improvement")}.`}
    />
  );
}

/** Where each trial lies on the axis of the best so far: at its end, since its value counts from then on. */
function placesOf(against: string): Float64Array {
  const [started, seconds] = [column("started")?.data ?? [], column("seconds")?.data ?? []];
  const ended = Float64Array.from(started, (at, i) => at + seconds[i]);
  if (against === "time") {
    const [first] = extent(started);
    return ended.map((at) => at - first);
  }
  const order = Array.from(ended.keys())
    .filter((i) => !Number.isNaN(ended[i]))
    .sort((a, b) => ended[a] - ended[b] || a - b);
  const places = new Float64Array(ended.length).fill(NaN);
  let spent = 0;
  order.forEach((i, place) => (places[i] = against === "trials" ? place + 1 : (spent += seconds[i])));
  return places;
}

function FrontLink({ study: { id, summary } }: { study: Study }) {
  return (
    <Panel
      wide
      title="Trade-offs"
      note={summary.objectives.map(({ name, direction }) => `${direction} ${visible(name)}`).join(", ")}
    >
      <p>
        {plural(summary.front.length, "trial is", "trials are")} beaten by no other in all objectives.{" "}
        <a href={href("tradeoffs", id)}>See the front</a>.
      </p>
    </Panel>
  );
}

// -- the best configuration, what matters, what is wrong, what runs ---------------------------------------------------------

function Best({ study: { id, summary, problem } }: { study: Study }) {
  const space = problem.space as Declared[];
  const defaults = Object.fromEntries(
    space.flatMap(({ name, default: value }) => (value === undefined ? [] : [[name, value]])),
  );
  const params = (summary.params ?? {}) as Configuration;
  if (summary.best === null)
    return (
      <Panel title="Best configuration" empty={whyNone(summary)}>
        {null}
      </Panel>
    );
  return (
    <Panel
      title="Best configuration"
      note={<a href={href("trials", id, { trial: String(summary.best) })}>#{summary.best}</a>}
    >
      <Differences
        params={params}
        others={Object.keys(defaults).length > 0 ? defaults : null}
        title="default"
        absent="none"
      />
      <CopyAs params={params} space={space} />
    </Panel>
  );
}

/** `analysis/importance.py`, in JSON. */
interface Importance {
  method: string;
  trials: number;
  sampled: number;
  rest: Num;
  shares: { parameter: string; share: Num; low: Num; high: Num; active: number; is_conditional: boolean }[];
}

const MOST_BARS = 12;
/** As many trials as a model of the results takes. */
const FEWEST = 3;
const TOO_FEW = `Too few results to say: it takes ${FEWEST} complete trials, and some dozens to be sure.`;

function Matters({ study: { id } }: { study: Study }) {
  const answer = useAnswer<Importance>(`studies/${id}/importance`, revision.value);
  return (
    <AnswerPanel
      title="What matters"
      answer={answer}
      note={answer.value && said(answer.value)}
      table={shares}
      nothing={({ shares, trials }) => (shares.length === 0 || trials < FEWEST ? TOO_FEW : null)}
    >
      {({ shares }) => (
        <>
          <Bars
            full={1}
            format={percent}
            summary="The share of the differences between results that each parameter explains"
            bars={shares.slice(0, MOST_BARS).map(bar)}
          />
          {shares.length > MOST_BARS && (
            <p class="note">
              The first {MOST_BARS} of {shares.length}; <a href={href("model", id)}>more</a>.
            </p>
          )}
        </>
      )}
    </AnswerPanel>
  );
}

const bar = ({ parameter, share, low, high, active, is_conditional }: Importance["shares"][number]) => ({
  label: parameter,
  value: num(share),
  low: num(low),
  high: num(high),
  note: is_conditional ? `where active, ${plural(active, "trial")}` : undefined,
});

const said = ({ method, trials, sampled, rest }: Importance): string =>
  `${method}, ${sampled < trials ? `${count(sampled)} of ${plural(trials, "trial")}` : plural(trials, "trial")}; ` +
  `noise and the rest ${percent(num(rest))}`;

function shares({ shares: all }: Importance): PlainTable {
  return {
    columns: ["parameter", "share", "low", "high", "trials"],
    rows: all.map((s) => [s.parameter, num(s.share), num(s.low), num(s.high), s.active]),
  };
}

function HealthChecks({ study: { id } }: { study: Study }) {
  return (
    <AnswerPanel title="Findings" answer={useFindings(id)}>
      {({ findings }) => <Findings study={id} findings={findings} />}
    </AnswerPanel>
  );
}

const MOST_RUNNING = 12;

function RunningTrials({ study: { id, summary } }: { study: Study }) {
  return (
    <Panel title="Running" note={plural(summary.running.length, "trial")}>
      <div class="scroll-x" tabIndex={0} role="region" aria-label="Running trials">
        <table class="plain tight">
          <thead>
            <tr>
              <th scope="col">trial</th>
              <th scope="col">step</th>
              <th scope="col" class="num">
                {visible(summary.objectives[0].name)}
              </th>
              <th scope="col">curve</th>
              <th scope="col" class="num">
                for
              </th>
              <th scope="col">on</th>
            </tr>
          </thead>
          <tbody>
            {summary.running.slice(0, MOST_RUNNING).map((trial) => (
              <RunningOne key={trial.number} study={id} trial={trial} metric={summary.objectives[0].name} />
            ))}
          </tbody>
        </table>
      </div>
      {summary.running.length > MOST_RUNNING && (
        <p class="note">
          The first {MOST_RUNNING}; <a href={href("trials", id, { q: "state = running" })}>all of them</a>.
        </p>
      )}
    </Panel>
  );
}

/** A duration in its largest unit. */
const roughly = (seconds: number): string => duration(seconds).split(" ").slice(0, 2).join(" ");

function RunningOne({
  study: id,
  trial: { number: n, step, value, seconds, worker },
  metric,
}: {
  study: number;
  trial: RunningTrial;
  metric: string;
}) {
  const detail = useAnswer<{ curves: Record<string, { values: Num[] }> }>(
    step === null ? null : `studies/${id}/trials/${n}`,
    revision.value,
  ).value;
  const curve = detail?.curves[metric];
  return (
    <tr>
      <td>
        <a href={href("trials", id, { trial: String(n) })}>#{n}</a>
      </td>
      <td>{step === null ? "–" : count(step)}</td>
      <td class="num" title={exact(num(value))}>
        {number(num(value))}
      </td>
      <td>{curve && <Sparkline values={curve.values.map(num)} label={`Trial ${n}`} />}</td>
      <td class="num" title={duration(num(seconds))}>
        {roughly(num(seconds))}
      </td>
      <td>{visible(worker ?? "")}</td>
    </tr>
  );
}
