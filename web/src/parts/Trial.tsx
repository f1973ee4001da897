// All about one trial: its curve beside the others', what differs from the best, what it printed, why it failed and why it was proposed.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { act, mayAct } from "../actions.js";
import { isStatic, useAnswer } from "../api.js";
import { Skeleton, Trouble } from "../components/Panel.js";
import { chosenTo, type Configuration, type Plain } from "../configuration.js";
import { count, duration, exact, moment, number, value as shown, visible } from "../format.js";
import { type Column, missing, num, type Num } from "../protocol.js";
import { href } from "../router.js";
import type { Declared } from "../space.js";
import { column, columnsOf, revision } from "../store.js";
import { CopyAs, Differences } from "./Configuration.js";
import { Invalidate, Note, Variant } from "./TrialActions.js";
import { StateMark } from "../components/parts.js";
import { stateNumber } from "../states.js";
import { TrialCurve } from "./TrialCurve.js";

/** What the server tells of a trial. */
export interface TrialDetail {
  number: number;
  state: string;
  params: Configuration;
  defaults: Configuration;
  best: { number: number; params: Configuration; metrics: Record<string, Num> } | null;
  metrics: Record<string, Num>;
  curves: Record<string, { steps: number[]; values: Num[] }>;
  /** Scores by metric and fold. */
  folds: Record<string, Record<string, Num>>;
  budget: Record<string, number> | null;
  attrs: Record<string, unknown>;
  failure: { kind: string; line: string; message: string; call: string; traceback: string } | null;
  times: { created: Num; started: Num; ended: Num };
  seconds: Num;
  attempt: number;
  lost: number;
  worker: string | null;
  parent: number | null;
  enqueued: boolean;
  chosen: string[];
  forgiven: boolean;
  /** Why its result counts no more; null where it does. */
  invalid: string | null;
  /** Whether a later trial has tried it again. */
  retried: boolean;
  note: string;
  checkpoint: string | null;
}

interface TrialProps {
  study: number;
  number: number;
  space: readonly Declared[];
}

export function Trial({ study, number: n, space }: TrialProps) {
  const answer = useAnswer<TrialDetail>(`studies/${study}/trials/${n}`, revision.value);
  const trial = answer.value;
  if (trial === null && answer.error)
    return isStatic ? <Brief number={n} /> : <Trouble error={answer.error} again={answer.again} />;
  if (trial === null) return <Skeleton />;
  return (
    <article class="trial">
      <p class="trial-head">
        <StateMark state={stateNumber(trial.state)} words /> <Times trial={trial} />
      </p>
      {trial.invalid !== null && <p class="refused">Its result counts no more: {visible(trial.invalid)}</p>}
      {mayAct.value && <Actions study={study} trial={trial} space={space} />}
      {trial.failure && <Failure failure={trial.failure} />}
      <Metrics metrics={trial.metrics} best={trial.best?.number === n ? null : (trial.best?.metrics ?? null)} />
      <Folds folds={trial.folds} />
      <TrialCurve study={study} trial={trial} />
      <Section title="Configuration">
        <Against trial={trial} />
        <CopyAs params={trial.params} space={space} />
      </Section>
      {!isStatic && <Asked study={study} trial={trial} />}
      <More title="Provenance">
        <Provenance study={study} trial={trial} />
      </More>
      {(mayAct.value || trial.note !== "") && (
        <Section title="Note">
          <Note study={study} number={n} note={trial.note} />
        </Section>
      )}
    </article>
  );
}

/** What the server is asked for when it is opened; a report has none of it. */
function Asked({ study, trial: { number: n, state, curves } }: { study: number; trial: TrialDetail }) {
  return (
    <>
      <More title="Why it was proposed">
        <Why study={study} number={n} />
      </More>
      {state !== "COMPLETE" && Object.keys(curves).length > 0 && (
        <More title="Where it is heading">
          <Forecast study={study} number={n} />
        </More>
      )}
      <More title="What it printed">
        <Log study={study} number={n} />
      </More>
    </>
  );
}

/** A trial of which a report has its columns alone. */
function Brief({ number: n }: { number: number }) {
  const known = (kind: Column["kind"]) =>
    columnsOf(kind)
      .map((each) => [each.name, cellOf(each, n)] as const)
      .filter(([, value]) => value !== undefined);
  const params = Object.fromEntries(known("param")) as Configuration;
  const metrics = Object.fromEntries([...known("value"), ...known("metric")]) as Record<string, number>;
  const [, failed] = known("failure")[0] ?? [];
  return (
    <article class="trial">
      <p class="trial-head">
        <StateMark state={column("state")?.data[n] ?? 0} words />
      </p>
      {failed !== undefined && <p class="refused">{visible(String(failed))}</p>}
      <Metrics metrics={metrics} best={null} />
      <Section title="Configuration">
        <Differences params={params} />
      </Section>
      <p class="note">
        More about this trial is in the dashboard: this report has all about the best ones and about the first that
        failed.
      </p>
    </article>
  );
}

/** A value of a column as it is: an option's text, a number; undefined where there is none. */
function cellOf(of: Column, row: number): Plain | undefined {
  const value = of.data[row];
  if (value === missing(of) || Number.isNaN(value)) return undefined;
  return of.options ? of.options[value] : value;
}

function Section({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** What costs the server something is asked for when it is opened. */
function More({ title, children }: { title: string; children: ComponentChildren }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>{title}</summary>
      {isOpen && children}
    </details>
  );
}

function Times({ trial: { times, seconds, worker } }: { trial: TrialDetail }) {
  const parts = [
    Number.isFinite(num(times.started)) && `began ${moment(num(times.started))}`,
    Number.isFinite(num(seconds)) && `took ${duration(num(seconds))}`,
    worker && `on ${visible(worker)}`,
  ];
  return <span class="note">{parts.filter(Boolean).join(", ")}</span>;
}

/** What failed or counts no more, unless it was tried again since. */
const mayRetry = ({ state, forgiven, invalid, retried }: TrialDetail): boolean =>
  state === "FAIL" && !retried && (invalid !== null || !forgiven);
/** Results count; a failure has none that could count no more. */
const mayInvalidate = ({ state }: TrialDetail): boolean => state === "COMPLETE" || state === "PRUNED";

function Actions({ study, trial, space }: { study: number; trial: TrialDetail; space: readonly Declared[] }) {
  const [asked, setAsked] = useState<"variant" | "invalidate" | null>(null);
  const close = () => setAsked(null);
  return (
    <p class="buttons">
      {mayRetry(trial) && (
        <button
          type="button"
          onClick={() => act(study, "retry", { number: trial.number }, `Trial ${trial.number} is tried again.`)}
        >
          Retry
        </button>
      )}
      <button type="button" onClick={() => setAsked("variant")}>
        Enqueue a variant…
      </button>
      {mayInvalidate(trial) && (
        <button type="button" onClick={() => setAsked("invalidate")}>
          Invalidate…
        </button>
      )}
      {asked === "variant" && <Variant study={study} trial={trial} space={space} onClose={close} />}
      {asked === "invalidate" && <Invalidate study={study} number={trial.number} onClose={close} />}
    </p>
  );
}

function Failure({ failure }: { failure: NonNullable<TrialDetail["failure"]> }) {
  return (
    <Section title="Why it failed">
      <p class="refused">{visible(failure.line)}</p>
      {failure.call !== failure.traceback.trim() && failure.call && (
        <pre class="log" tabIndex={0} aria-label="Where in your code">
          {printed(failure.call)}
        </pre>
      )}
      {failure.traceback && (
        <pre class="log" tabIndex={0} aria-label="Traceback">
          {printed(failure.traceback)}
        </pre>
      )}
    </Section>
  );
}

/** Text of several lines, in which what a terminal would obey is made visible. */
export const printed = (text: string): string =>
  text
    .split("\n")
    .map((line) => visible(line.replaceAll("\t", "    ")))
    .join("\n");

function Metrics({ metrics, best }: { metrics: TrialDetail["metrics"]; best: TrialDetail["metrics"] | null }) {
  const names = Object.keys(metrics);
  if (names.length === 0) return null;
  return (
    <Section title="Metrics">
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">metric</th>
            <th scope="col">value</th>
            {best && <th scope="col">best trial</th>}
          </tr>
        </thead>
        <tbody>
          {names.map((name) => (
            <tr key={name}>
              <th scope="row">{visible(name)}</th>
              <td title={exact(num(metrics[name]))}>{number(num(metrics[name]))}</td>
              {best && <td class="note">{number(num(best[name]))}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

function Folds({ folds }: { folds: TrialDetail["folds"] }) {
  const metrics = Object.entries(folds);
  if (metrics.length === 0) return null;
  return (
    <Section title="Folds">
      {metrics.map(([metric, scores]) => (
        <p key={metric}>
          {visible(metric)}:{" "}
          {Object.values(scores)
            .map((score) => number(num(score)))
            .join(", ")}
        </p>
      ))}
    </Section>
  );
}

/** The configuration beside the best one's, or beside the defaults where it is itself the best. */
function Against({ trial }: { trial: TrialDetail }) {
  const isBest = trial.best?.number === trial.number;
  const [others, title] =
    trial.best && !isBest ? [trial.best.params, `best, #${trial.best.number}`] : [trial.defaults, "default"];
  const hasOthers = Object.keys(others).length > 0;
  return (
    <Differences
      params={trial.params}
      others={hasOthers ? others : null}
      title={title}
      absent={isBest ? "none" : "not active"}
    />
  );
}

interface Explanation {
  /** Null where the sampler does not say; then the text says why not. */
  arm: string | null;
  text: string;
  reason: string;
  mean: Num;
  sd: Num;
  exploration: Num;
}

interface OneTrial {
  study: number;
  number: number;
}

function Why({ study, number: n }: OneTrial) {
  const { value, error } = useAnswer<Explanation>(`studies/${study}/trials/${n}/why`);
  if (value === null) return <p class="note">{error ? visible(error.message) : "Asking the sampler…"}</p>;
  if (value.arm === null) return <p class="note">{visible(value.text)}.</p>;
  const isPredicted = typeof value.mean === "number" && typeof value.sd === "number";
  return (
    <>
      <p>
        <b>{visible(value.arm)}</b>: {visible(value.reason)}.
      </p>
      {isPredicted && (
        <p>
          Before it ran the model expected {number(num(value.mean))} ± {number(num(value.sd), 2)}.
        </p>
      )}
      {typeof value.exploration === "number" && <p>{chosenTo(value.exploration)}</p>}
    </>
  );
}

interface Ahead {
  horizon: number;
  mean: Num;
  low: Num;
  high: Num;
  probability: Num;
}

function Forecast({ study, number: n }: OneTrial) {
  const { value, error } = useAnswer<{ forecast: Ahead | null }>(
    `studies/${study}/trials/${n}/forecast`,
    revision.value,
  );
  if (value === null) return <p class="note">{error ? visible(error.message) : "Asking the model…"}</p>;
  if (value.forecast === null) return <p class="note">Too little was reported to say.</p>;
  const { horizon, mean, low, high, probability } = value.forecast;
  return (
    <>
      <p>
        At step {count(horizon)} it is expected at {number(num(mean))}, with probability 0.8 between {number(num(low))}{" "}
        and {number(num(high))}.
      </p>
      {typeof probability === "number" && <p>It beats the best trial with probability {number(probability, 2)}.</p>}
    </>
  );
}

function Log({ study, number: n }: OneTrial) {
  const { value, error } = useAnswer<{ text: string; bytes: number }>(
    `studies/${study}/trials/${n}/log?tail=65536`,
    revision.value,
  );
  if (value === null) return <p class="note">{error ? visible(error.message) : "Loading…"}</p>;
  if (value.text === "") return <p class="note">Nothing was printed, or the study keeps no output.</p>;
  return (
    <pre class="log" tabIndex={0} aria-label="What the trial printed">
      {printed(value.text)}
    </pre>
  );
}

function Provenance({ study, trial }: { study: number; trial: TrialDetail }) {
  const rows: [string, ComponentChildren][] = [
    ["Created", moment(num(trial.times.created))],
    ["Began", moment(num(trial.times.started))],
    ["Ended", moment(num(trial.times.ended))],
    ["Attempt", String(trial.attempt)],
  ];
  if (trial.lost > 0) rows.push(["Lost with its worker", String(trial.lost)]);
  if (trial.parent !== null)
    rows.push([
      "Began with the checkpoint of",
      <a href={href("trials", study, { trial: String(trial.parent) })}>#{trial.parent}</a>,
    ]);
  if (trial.enqueued) rows.push(["Chosen by a user", trial.chosen.map(visible).join(", ") || "yes"]);
  if (trial.budget)
    rows.push([
      "Budget",
      Object.entries(trial.budget)
        .map(([name, amount]) => `${visible(name)} ${number(amount)}`)
        .join(", "),
    ]);
  if (trial.checkpoint) rows.push(["Checkpoint", <code>{visible(trial.checkpoint)}</code>]);
  if (trial.forgiven) rows.push(["Counts", "no: it was tried again, or the objective changed since"]);
  for (const [name, value] of Object.entries(trial.attrs)) rows.push([visible(name), shown(value)]);
  return (
    <table class="plain">
      <tbody>
        {rows.map(([name, value]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
