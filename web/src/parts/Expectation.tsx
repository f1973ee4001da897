// What to expect on new data: which configuration to take, how it will score, and how much of the best value was luck.
import { useAnswer } from "../api.js";
import { AnswerPanel, type PlainTable } from "../components/Panel.js";
import { Tile } from "../components/parts.js";
import { count, exact, gain, number, percent, plural, visible } from "../format.js";
import { all, axis, whole } from "../plots/axes.js";
import { type Curve, type Ribbon, Ribbons } from "../plots/Ribbons.js";
import { num, type Num } from "../protocol.js";
import { go, href } from "../router.js";
import { revision } from "../store.js";
import type { Study } from "../types.js";

/** `analysis/winner.py`, in JSON. */
interface Winner {
  number: number;
  is_default: boolean;
  default: number | null;
  reason: string;
}

/** `analysis/estimate.py`, in JSON. */
interface Estimate {
  value: Num;
  low: Num;
  high: Num;
  level: number;
  gain: Num | null;
  real: Num | null;
  better: Num | null;
  looked_at: number;
  parts: number;
  on_all_rows: boolean;
}

/** `analysis/overtuning.py`, in JSON. */
interface Overtuning {
  best: number;
  observed: Num;
  optimism: Num;
  noise: Num;
  is_measured: boolean;
  default: number | null;
  worse_than_default: Num | null;
  paid_until: number;
  stopped_paying: boolean;
  is_single: boolean;
  trials: number;
  course: { trials: number[]; numbers: number[]; observed: Num[]; expected: Num[]; error: Num[] };
  text: string;
}

interface Generalisation {
  winner: Winner | null;
  estimate: Estimate | null;
  overtuning: Overtuning | null;
}

export function Expectation({ study: { id, summary } }: { study: Study }) {
  const answer = useAnswer<Generalisation>(`studies/${id}/generalisation`, revision.value);
  return (
    <AnswerPanel
      title="What to expect"
      picture
      answer={answer}
      table={({ overtuning }) => figures(overtuning as Overtuning)}
      nothing={({ overtuning }) => (overtuning === null ? "Too few results to say what is luck." : null)}
    >
      {(found) => (
        <>
          <Told id={id} found={found} />
          {found.winner && <p>{visible(found.winner.reason)}</p>}
          <Course id={id} name={visible(summary.objectives[0].name)} overtuning={found.overtuning as Overtuning} />
        </>
      )}
    </AnswerPanel>
  );
}

function Told({ id, found: { winner, estimate, overtuning } }: { id: number; found: Generalisation }) {
  const trial = (n: number) => <a href={href("trials", id, { trial: String(n) })}>#{n}</a>;
  return (
    <div class="tiles">
      {winner && (
        <Tile label="take" note={winner.is_default ? "the default" : undefined}>
          {trial(winner.number)}
        </Tile>
      )}
      {estimate && (
        <Tile
          label={estimate.on_all_rows ? "expected on new data, fitted on all rows" : "expected on new data"}
          title={exact(num(estimate.value))}
          note={within(estimate)}
        >
          {number(num(estimate.value))}
        </Tile>
      )}
      {overtuning && (
        <Tile
          label="luck in the best"
          title="By how much the best observed value is better than what is expected when its configuration is measured anew"
          note={
            <>
              {trial(overtuning.best)} scored {number(num(overtuning.observed))}
            </>
          }
        >
          {luck(overtuning)}
        </Tile>
      )}
      {estimate && estimate.gain !== null && !winner?.is_default && (
        <Tile
          label="expected gain"
          title="Over the default; better is positive, also where less is better"
          note={gained(estimate)}
        >
          {gain(num(estimate.gain))}
        </Tile>
      )}
      {overtuning && overtuning.worse_than_default !== null && overtuning.best !== overtuning.default && (
        <Tile label="best beats the default" note="with this probability">
          {chance(1 - num(overtuning.worse_than_default))}
        </Tile>
      )}
    </div>
  );
}

/** Where nothing was measured twice, luck that trials share is not seen. */
const luck = ({ optimism, noise, is_measured, is_single }: Overtuning): string => {
  if (is_single) return "unknown";
  if (num(noise) > 0) return num(optimism) > 0 ? number(num(optimism), 2) : "none";
  return is_measured ? "none" : "none seen";
};

/** No surer than anybody is. */
const chance = (probability: number): string =>
  probability > 0.99 ? "more than 99 %" : probability < 0.01 ? "less than 1 %" : percent(probability);

const gained = ({ better, gain, high }: Estimate): string => {
  if (better === null || !Number.isFinite(num(high))) return "nobody knows how sure";
  return `${num(gain as Num) > 0 ? "better" : "worse"} with a probability of ${chance(num(gain as Num) > 0 ? num(better) : 1 - num(better))}`;
};

const within = ({ low, high, level }: Estimate): string =>
  Number.isFinite(num(high))
    ? `${number(num(low))} to ${number(num(high))}, ${percent(level)} sure`
    : "nobody knows how sure: confirm it";

function Course({ id, name, overtuning }: { id: number; name: string; overtuning: Overtuning }) {
  const { trials, course, paid_until, stopped_paying, text } = overtuning;
  const [observed, expected, error] = [course.observed, course.expected, course.error].map((values) => values.map(num));
  const low = expected.map((value, i) => value - error[i]);
  const high = expected.map((value, i) => value + error[i]);
  const y = axis(name, all(observed, low, high));
  const curves: Curve[] = [
    { label: "best observed", xs: course.trials, ys: observed, ink: "text", step: true, trial: overtuning.best },
    { label: "expected, measured anew", xs: course.trials, ys: expected, ink: "accent", step: true },
  ];
  if (stopped_paying)
    curves.push({ label: "paid until", xs: [paid_until, paid_until], ys: [y.low, y.high], ink: "muted", dashed: true });
  const ribbons: Ribbon[] = [
    { xs: course.trials, low, high, ink: "accent", step: true, label: "its standard error, between configurations" },
  ];
  return (
    <>
      <Ribbons
        name="overtuning"
        height={200}
        x={whole("finished trials", [1, ...course.trials])}
        y={y}
        curves={curves}
        ribbons={ribbons}
        summary={text}
        onPick={(trial) => go(href("trials", id, { trial: String(trial) }))}
      />
      {stopped_paying && (
        <p class="note">
          The first {paid_until === 1 ? "trial" : plural(paid_until, "trial")} found as good a choice as all{" "}
          {count(trials)}, as far as can be told.
        </p>
      )}
    </>
  );
}

function figures({ course: { trials, numbers, observed, expected, error } }: Overtuning): PlainTable {
  return {
    columns: ["finished trials", "best observed", "its value", "expected of it", "error"],
    rows: trials.map((count, i) => [count, numbers[i], num(observed[i]), num(expected[i]), num(error[i])]),
  };
}
