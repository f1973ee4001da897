// Who worked when: all trials in the lanes of their workers, how busy these were, what was tried again, and what failed alike.
import { useMemo } from "preact/hooks";
import { type Answer, useAnswer } from "../api.js";
import { AnswerPanel, Panel } from "../components/Panel.js";
import { StateMark, Switch, Tile } from "../components/parts.js";
import { type Bar, Bars } from "../plots/Bars.js";
import { count, duration, moment, number, percent, plural, visible } from "../format.js";
import { coverage, horizon } from "../layout/gantt.js";
import { axis } from "../plots/axes.js";
import { STATES } from "../plots/colours.js";
import { Ribbons } from "../plots/Ribbons.js";
import { Segments } from "../plots/Segments.js";
import { type Num, num } from "../protocol.js";
import { go, href, route, setQuery } from "../router.js";
import { column, columns, revision, study } from "../store.js";

export interface Lane {
  worker: string;
  slot: number;
  trials: number;
  busy: Num;
  idle: Num;
}

/** `analysis/timeline.py`, in JSON. */
export interface Timeline {
  origin: number;
  until: number;
  lanes: Lane[];
  numbers: number[];
  attempts: number[];
  lane: number[];
  starts: number[];
  ends: number[];
  states: number[];
  workers: number;
  idle: Num;
  lost: number;
  retried: number;
}

const RUNNING = 0;
const NONE = "No trial has begun yet. Start a worker: study.optimize(…), kilter run or kilter worker.";

export default function TimelinePage() {
  const open = study.value;
  const answer = useAnswer<Timeline>(open ? `studies/${open.id}/timeline` : null, revision.value);
  if (!open) return null;
  const nothing = (t: Timeline) => (t.lanes.length === 0 ? NONE : null);
  return (
    <div class="page">
      <AnswerPanel title="Work" wide answer={answer} nothing={nothing}>
        {(t) => <Tiles t={t} />}
      </AnswerPanel>
      <Gantt answer={answer} id={open.id} nothing={nothing} />
      <div class="wide side-by-side">
        <AnswerPanel
          title="Running at once"
          answer={answer}
          nothing={nothing}
          table={(t) => {
            const { xs, running } = atOnce(t);
            return { columns: ["from (s)", "trials"], rows: running.map((n, i) => [xs[i], n]) };
          }}
        >
          {(t) => <AtOnce t={t} />}
        </AnswerPanel>
        <AnswerPanel
          title="Workers"
          answer={answer}
          nothing={nothing}
          table={(t) => ({
            columns: ["worker", "slot", "trials", "busy (s)", "idle (s)"],
            rows: t.lanes.map((l) => [l.worker, l.slot, l.trials, num(l.busy), num(l.idle)]),
          })}
        >
          {(t) => <Workers t={t} />}
        </AnswerPanel>
      </div>
      <Failures id={open.id} />
    </div>
  );
}

/** Seconds that each lane was busy until the timeline ends: a trial that was left running for ever does not count on. */
export function busy(t: Timeline): number[] {
  const end = horizon({ from: t.starts, to: t.ends, states: t.states }, RUNNING);
  const sums = t.lanes.map(() => 0);
  for (let i = 0; i < t.lane.length; i++) sums[t.lane[i]] += Math.min(end, t.ends[i]) - t.starts[i];
  return sums;
}

const shareOf = (busy: number, idle: number): number => (busy + idle > 0 ? busy / (busy + idle) : NaN);

function Tiles({ t }: { t: Timeline }) {
  const end = horizon({ from: t.starts, to: t.ends, states: t.states }, RUNNING);
  const share = shareOf(
    busy(t).reduce((a, b) => a + b, 0),
    num(t.idle),
  );
  return (
    <div class="tiles">
      <Tile label="from the first start">{duration(end)}</Tile>
      <Tile label="workers" note={t.lanes.length > t.workers ? `${t.lanes.length} trials at once at most` : undefined}>
        {count(t.workers)}
      </Tile>
      <Tile
        label="busy"
        note={num(t.idle) > 0 ? `${duration(num(t.idle))} idle between trials` : undefined}
        title="The share of the workers' time in which a trial ran. Long breaks, as between two runs, do not count."
      >
        {percent(share)}
      </Tile>
      <Tile label="tried again" title="Trials that run the configuration of a failed one again.">
        {count(t.retried)}
      </Tile>
      <Tile
        label="lost"
        title="Attempts that ended because their worker vanished; their trials went back to the queue."
      >
        {count(t.lost)}
      </Tile>
    </div>
  );
}

/** A name with its middle left out: workers of one cluster differ at their ends. */
export const short = (name: string, most: number): string =>
  name.length <= most ? name : `${name.slice(0, Math.floor((most - 1) / 2))}…${name.slice(-Math.ceil((most - 1) / 2))}`;

const laneName = (lanes: readonly Lane[], i: number): string => {
  const { worker, slot } = lanes[i];
  const alone = lanes[i + 1]?.worker !== worker && lanes[i - 1]?.worker !== worker;
  return alone ? short(visible(worker), 14) : `${short(visible(worker), 10)} · ${slot + 1}`;
};

const byName = new Intl.Collator("en", { numeric: true });

/** The order in which lanes stand: by the worker's name, then slot. */
const laneOrder = (lanes: readonly Lane[]): number[] =>
  lanes
    .map((_, i) => i)
    .sort((a, b) => byName.compare(lanes[a].worker, lanes[b].worker) || lanes[a].slot - lanes[b].slot);

/** Pixels of a lane: as many as there is room for. */
const thickness = (lanes: number): number => Math.round(Math.min(22, Math.max(9, 540 / lanes)));

function Gantt({
  answer,
  id,
  nothing,
}: {
  answer: Answer<Timeline>;
  id: number;
  nothing: (t: Timeline) => string | null;
}) {
  const clock = route.value.query.get("time") === "clock";
  const actions = (
    <Switch
      label="Time"
      value={clock ? "clock" : "since"}
      onChange={(v) => setQuery({ time: v === "clock" ? v : null })}
      options={[
        { value: "since", label: "since the start" },
        { value: "clock", label: "clock" },
      ]}
    />
  );
  return (
    <AnswerPanel
      title="Timeline"
      wide
      answer={answer}
      actions={actions}
      note={answer.value ? `${plural(answer.value.numbers.length, "trial")} · drag to look closer` : undefined}
      nothing={nothing}
      table={(t) => ({
        columns: ["trial", "attempt", "worker", "from (s)", "duration (s)", "state"],
        rows: t.numbers.map((n, i) => [
          n,
          t.attempts[i],
          t.lanes[t.lane[i]].worker,
          t.starts[i],
          t.ends[i] - t.starts[i],
          STATES[t.states[i]],
        ]),
      })}
    >
      {(t) => <Bands t={t} id={id} clock={clock} />}
    </AnswerPanel>
  );
}

function Bands({ t, id, clock }: { t: Timeline; id: number; clock: boolean }) {
  const shown = useMemo(() => {
    const order = laneOrder(t.lanes);
    const row = new Int32Array(order.length);
    order.forEach((lane, i) => (row[lane] = i));
    const shift = clock ? t.origin : 0;
    const sorted = order.map((i) => t.lanes[i]);
    return {
      lanes: sorted.map((_, i) => laneName(sorted, i)),
      lane: Int32Array.from(t.lane, (lane) => row[lane]),
      from: Float64Array.from(t.starts, (s) => s + shift),
      to: Float64Array.from(t.ends, (s) => s + shift),
    };
  }, [t, clock]);
  const label = (i: number) =>
    `trial ${t.numbers[i]}${t.attempts[i] > 1 ? ` · attempt ${t.attempts[i]}` : ""} · ${STATES[t.states[i]]}\n${visible(t.lanes[t.lane[i]].worker)}\n${clock ? moment(t.origin + t.starts[i]) : `after ${duration(t.starts[i])}`} · took ${duration(t.ends[i] - t.starts[i])}`;
  const end = horizon({ from: t.starts, to: t.ends, states: t.states }, RUNNING);
  const x = clock
    ? axis("time", [t.origin, t.origin + end], "time")
    : { ...axis("since the first start", [0, end], "duration"), low: 0 };
  const used = STATES.flatMap((name, state) => (t.states.includes(state) ? [{ name, state }] : []));
  return (
    <>
      <div class="scroll-y" tabIndex={0} role="region" aria-label="Lanes of the workers">
        <Segments
          x={x}
          {...shown}
          states={t.states}
          trials={t.numbers}
          thick={thickness(t.lanes.length)}
          name="timeline"
          label={label}
          onPick={(trial) => go(href("trials", id, { trial: String(trial) }))}
          summary={`${plural(t.numbers.length, "trial")} on ${plural(t.workers, "worker")} over ${duration(end)}; a trial ran in ${percent(
            shareOf(
              busy(t).reduce((a, b) => a + b, 0),
              num(t.idle),
            ),
          )} of the workers' time.`}
        />
      </div>
      {t.until > 1.01 * end && (
        <p class="note">Trials that still run go on beyond the right edge: has their worker gone?</p>
      )}
      <ul class="names">
        {used.map(({ name, state }) => (
          <li key={name}>
            <StateMark state={state} words />
          </li>
        ))}
      </ul>
    </>
  );
}

const PARTS = 300;

/** How many trials ran at once, over the same time as in the timeline. */
function atOnce(t: Timeline): { xs: number[]; running: number[] } {
  const end = horizon({ from: t.starts, to: t.ends, states: t.states }, RUNNING);
  const none = new Uint8Array(t.starts.length);
  const running =
    end > 0 ? Array.from(coverage({ lane: none, from: t.starts, to: t.ends, states: none }, 0, end, PARTS, 1, 1)) : [];
  return { xs: running.map((_, i) => (i * end) / PARTS), running };
}

function AtOnce({ t }: { t: Timeline }) {
  const { xs, running } = useMemo(() => atOnce(t), [t]);
  const most = Math.max(...running, 0);
  return (
    <Ribbons
      name="running"
      height={220}
      legend={false}
      x={{ ...axis("since the first start", xs, "duration"), low: 0 }}
      y={{ ...axis("trials", [0, Math.max(1, most)]), low: 0 }}
      curves={[{ label: "running", xs, ys: running, ink: 0, step: true }]}
      ribbons={[{ xs, low: xs.map(() => 0), high: running, ink: 0, step: true }]}
      summary={`Trials that ran at once: ${number(most, 3)} at most, ${number(running.reduce((a, b) => a + b, 0) / Math.max(1, running.length), 3)} on average.`}
    />
  );
}

const LISTED = 12;

function Workers({ t }: { t: Timeline }) {
  const spent = busy(t);
  const by = new Map<string, { trials: number; busy: number; idle: number }>();
  for (const [i, lane] of t.lanes.entries()) {
    const sum = by.get(lane.worker) ?? { trials: 0, busy: 0, idle: 0 };
    by.set(lane.worker, {
      trials: sum.trials + lane.trials,
      busy: sum.busy + spent[i],
      idle: sum.idle + num(lane.idle),
    });
  }
  const bars = [...by].map(([worker, { trials, busy, idle }]): Bar => ({
    label: worker,
    value: shareOf(busy, idle) || 0,
    note: `${plural(trials, "trial")}, ${duration(busy)}`,
  }));
  bars.sort((a, b) => a.value - b.value);
  const [least] = bars;
  return (
    <>
      <Bars
        bars={bars.slice(0, LISTED)}
        full={1}
        format={percent}
        summary={`How busy ${plural(bars.length, "worker")} were: the least busy one, ${visible(least.label)}, ${percent(least.value)} of its time.`}
      />
      {bars.length > LISTED && (
        <p class="note">
          The {LISTED} least busy of {bars.length}; the table has all.
        </p>
      )}
    </>
  );
}

/** Trials that failed in the same way, the most frequent first. */
export function failures(codes: ArrayLike<number>, options: readonly string[]): { text: string; trials: number[] }[] {
  const groups = new Map<number, number[]>();
  for (let i = 0; i < codes.length; i++) {
    if (codes[i] === 0) continue;
    const group = groups.get(codes[i]);
    group ? group.push(i) : groups.set(codes[i], [i]);
  }
  return [...groups]
    .map(([code, trials]) => ({ text: options[code] ?? "", trials }))
    .sort((a, b) => b.trials.length - a.trials.length);
}

function Failures({ id }: { id: number }) {
  const failure = column("failure");
  const groups = useMemo(() => (failure ? failures(failure.data, failure.options ?? []) : []), [failure]);
  const trials = columns.value?.count ?? 0;
  const failed = groups.reduce((sum, g) => sum + g.trials.length, 0);
  return (
    <Panel
      title="Failures"
      wide
      note={failed > 0 ? `${plural(failed, "trial")}, ${percent(failed / trials)} of all` : undefined}
      empty={failed === 0 ? (trials === 0 ? NONE : "No trial failed.") : undefined}
      table={() => ({
        columns: ["failure", "trials", "first", "last"],
        rows: groups.map((g) => [g.text, g.trials.length, g.trials[0], g.trials[g.trials.length - 1]]),
      })}
    >
      <table class="plain">
        <thead>
          <tr>
            <th scope="col" class="num">
              trials
            </th>
            <th scope="col">what they said</th>
            <th scope="col">examples</th>
          </tr>
        </thead>
        <tbody>
          {groups.slice(0, 50).map((g) => (
            <tr key={g.text}>
              <td class="num">{count(g.trials.length)}</td>
              <td class="any">
                <code>{visible(g.text)}</code>
              </td>
              <td>
                {g.trials
                  .slice(-3)
                  .reverse()
                  .map((n, i) => (
                    <>
                      {i > 0 && ", "}
                      <a href={href("trials", id, { trial: String(n) })}>{n}</a>
                    </>
                  ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {groups.length > 50 && <p class="note">The 50 most frequent of {groups.length} kinds.</p>}
    </Panel>
  );
}
