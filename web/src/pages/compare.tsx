// Studies beside one another: best so far over their runs, ranks, how values are spread, tests in words, and where their optima lie.
import { useEffect, useState } from "preact/hooks";
import { type Answer, getBytes, useAnswer } from "../api.js";
import { AnswerPanel, Panel } from "../components/Panel.js";
import { Chip, Switch } from "../components/parts.js";
import { count, duration, number, percent, plural, value as told, visible } from "../format.js";
import { distribution } from "../layout/distribution.js";
import { all, axis, robustAxis, whole } from "../plots/axes.js";
import { type Bar, Bars } from "../plots/Bars.js";
import { type Curve, type Ribbon, Ribbons } from "../plots/Ribbons.js";
import type { Axis } from "../plots/scale.js";
import { decode, type Num, num } from "../protocol.js";
import { route, setQuery } from "../router.js";
import { studies } from "../store.js";
import type { StudyRow } from "../types.js";

export interface Contestant {
  label: string;
  runs: number;
  finals: Num[];
  ends: Num[];
  trials: number[];
  median: Num;
  low: Num;
  high: Num;
  rank: Num;
  /** Median, lower and upper quartile at each budget. */
  band: Num[][];
  ranks: Num[];
}

export interface Duel {
  first: string;
  second: string;
  wins: number;
  ties: number;
  losses: number;
  difference: Num;
  effect: Num;
  test: string;
  p: Num;
  corrected: Num;
  sign_p: Num;
  verdict: string;
}

export interface Drift {
  name: string;
  optima: Record<string, { value: unknown; low: unknown; high: unknown; share: Num }>;
  shift: Num;
  spread: Num;
}

/** `analysis/comparison.py`, in JSON. */
export interface Comparison {
  objective: string;
  direction: string;
  against: "trials" | "time" | "cost";
  budget: Num;
  budgets: Num[];
  is_paired: boolean;
  contestants: Contestant[];
  duels: Duel[];
  parameters: Drift[];
  assumptions: string[];
}

const AGAINST = { trials: "trials that ended", time: "since the start", cost: "time in trials" } as const;

export default function ComparePage() {
  const { query } = route.value;
  const known = studies.value;
  const chosen = (query.get("studies") ?? "").split(",").filter(Boolean).map(Number);
  const against = (query.get("against") ?? "trials") as Comparison["against"];
  const revisions = (known ?? []).reduce((sum, s) => sum + (chosen.includes(s.id) ? s.revision : 0), 0);
  const rows = (known ?? []).filter((s) => chosen.includes(s.id));
  const group = query.get("group") ?? usualGroup(rows.map((s) => s.name));
  const asked = `compare?studies=${chosen.join(",")}&against=${against}&group=${group}`;
  const unfit = chosen.length < 2 ? "Choose two studies or more." : unlike(rows);
  const answer = useAnswer<Comparison>(known !== null && unfit === null ? asked : null, revisions);
  return (
    <div class="page">
      <Chooser known={known} chosen={chosen} />
      {unfit !== null ? (
        <Panel title="In words" wide empty={unfit}>
          {null}
        </Panel>
      ) : answer.value === null && answer.error ? (
        <Verdicts answer={answer} />
      ) : (
        <>
          <Verdicts answer={answer} />
          <BestSoFar answer={answer} against={against} group={group} />
          <div class="wide side-by-side">
            <Ranks answer={answer} />
            <Spread chosen={chosen} known={rows} answer={answer} group={group} />
          </div>
          <Drifts answer={answer} />
        </>
      )}
    </div>
  );
}

/** By name where that makes groups, of which there are several; the server takes a number off the end of a name, too. */
export function usualGroup(names: readonly string[]): "name" | "study" {
  const groups = new Set(names.map((name) => name.replace(/[\s_.:#/-]*(?:seed|run)?[\s_.:#/-]*\d+$/i, "") || name))
    .size;
  return groups > 1 && groups < names.length ? "name" : "study";
}

/** What is said of pairs; of those with a run each there is nothing to say but that, once. */
export function sentences(duels: readonly Duel[]): string[] {
  const lone = duels.filter((d) => d.test === "none");
  if (lone.length < 2) return duels.map((d) => d.verdict);
  const said = `In ${lone.length === duels.length ? "all" : count(lone.length)} of ${count(duels.length)} pairs there is one run of each, which says nothing of chance; the table has which was better`;
  return [...duels.filter((d) => d.test !== "none").map((d) => d.verdict), said];
}

/** Why studies cannot be compared, by what they are after; null where they can. */
export function unlike(rows: readonly StudyRow[]): string | null {
  const broken = rows.find((s) => s.summary === null);
  if (broken) return `${visible(broken.name)} cannot be read: ${visible(broken.error ?? "")}`;
  const goals = rows.map(
    (s) => `${s.summary?.objectives[0].direction} ${visible(s.summary?.objectives[0].name ?? "")}`,
  );
  if (new Set(goals).size < 2) return null;
  return `These studies are after different things, so no value of one is better than a value of another: ${rows.map((s, i) => `${visible(s.name)} is to ${goals[i]}`).join("; ")}.`;
}

const MOST = 12;

/** The colour of a group and, where the colours begin again, a dashed line. */
const apart = (i: number) => ({ ink: i, dashed: i % 16 > 7 });

function Chooser({ known, chosen }: { known: StudyRow[] | null; chosen: readonly number[] }) {
  const [filter, setFilter] = useState("");
  if (known === null) return null;
  const toggle = (id: number) =>
    setQuery({ studies: (chosen.includes(id) ? chosen.filter((c) => c !== id) : [...chosen, id]).join(",") || null });
  const fits = known.filter((s) => !chosen.includes(s.id) && s.name.toLowerCase().includes(filter.toLowerCase()));
  const name = (id: number) => known.find((s) => s.id === id)?.name ?? `study ${id}`;
  const empty =
    known.length < 2
      ? `${known.length === 0 ? "This storage has no study" : "This storage has one study"}: there is nothing to compare yet.`
      : undefined;
  return (
    <Panel title="Studies to compare" wide empty={empty} note={chosen.length < 2 ? "choose two or more" : undefined}>
      <div class="chips">
        {chosen.map((id) => (
          <Chip key={id} tone="accent" onRemove={() => toggle(id)}>
            {visible(name(id))}
          </Chip>
        ))}
        {known.length > MOST && (
          <input
            type="search"
            aria-label="Filter studies"
            placeholder="filter"
            value={filter}
            onInput={(e) => setFilter(e.currentTarget.value)}
          />
        )}
        {fits.slice(0, MOST).map((s) => (
          <button
            type="button"
            class="chip"
            key={s.id}
            aria-label={`Add ${visible(s.name)}`}
            onClick={() => toggle(s.id)}
          >
            + {visible(s.name)}
          </button>
        ))}
        {fits.length > MOST && <span class="note">and {fits.length - MOST} more</span>}
      </div>
    </Panel>
  );
}

function Verdicts({ answer }: { answer: Answer<Comparison> }) {
  const duels = [
    "first",
    "second",
    "wins",
    "ties",
    "losses",
    "difference",
    "chance to be better",
    "test",
    "p",
    "corrected p",
    "p of the sign test",
  ];
  return (
    <AnswerPanel
      title="In words"
      wide
      answer={answer}
      note={
        answer.value ? `${answer.value.direction} ${visible(answer.value.objective)}; ${at(answer.value)}` : undefined
      }
      table={(c) => ({
        columns: duels,
        rows: c.duels.map((d) => [
          d.first,
          d.second,
          d.wins,
          d.ties,
          d.losses,
          num(d.difference),
          num(d.effect),
          d.test,
          num(d.p),
          num(d.corrected),
          num(d.sign_p),
        ]),
      })}
    >
      {(c) => {
        const said = sentences(c.duels);
        return (
          <>
            <ul class="sentences">
              {said.slice(0, MOST).map((sentence, i) => (
                <li key={i}>{visible(sentence)}.</li>
              ))}
            </ul>
            {said.length > MOST && (
              <p class="note">
                The first {MOST} of {said.length} pairs; the table has all.
              </p>
            )}
            <ul class="sentences note">
              {c.assumptions.map((a, i) => (
                <li key={i}>{visible(a)}</li>
              ))}
            </ul>
          </>
        );
      }}
    </AnswerPanel>
  );
}

/** The budget at which runs are compared. */
const at = ({ against, budget }: Comparison): string =>
  against === "trials"
    ? `after ${plural(num(budget), "trial")} each`
    : `after ${duration(num(budget))} ${against === "time" ? "each" : "in trials each"}`;

const budgetAxis = (c: Comparison): Axis =>
  c.against === "trials"
    ? whole(AGAINST.trials, c.budgets.map(num))
    : axis(AGAINST[c.against], [0, ...c.budgets.map(num)], "duration");

function BestSoFar({ answer, against, group }: { answer: Answer<Comparison>; against: string; group: string }) {
  const actions = (
    <>
      <Switch
        label="Against"
        value={against}
        options={Object.keys(AGAINST).map((value) => ({ value, label: value }))}
        onChange={(v) => setQuery({ against: v === "trials" ? null : v })}
      />
      <Switch label="Group" value={group} options={GROUPS} onChange={(v) => setQuery({ group: v })} />
    </>
  );
  return (
    <AnswerPanel
      title="Best so far"
      wide
      answer={answer}
      actions={actions}
      note="median, and the middle half of the runs"
      table={(c) => ({
        columns: [
          AGAINST[c.against],
          ...c.contestants.flatMap((one) => [`${one.label}: median`, "lower quartile", "upper quartile"]),
        ],
        rows: c.budgets.map((b, i) => [num(b), ...c.contestants.flatMap((one) => one.band.map((q) => num(q[i])))]),
      })}
    >
      {(c) => {
        const xs = c.budgets.map(num);
        const curves = c.contestants.map((one, i): Curve => ({
          label: label(one),
          xs,
          ys: one.band[0].map(num),
          ...apart(i),
          step: true,
          width: 2,
        }));
        const ribbons = c.contestants.flatMap((one, i): Ribbon[] =>
          one.runs > 1
            ? [{ xs, low: one.band[1].map(num), high: one.band[2].map(num), ink: i, step: true, opacity: 0.16 }]
            : [],
        );
        const values = all(...curves.map((curve) => curve.ys), ...ribbons.flatMap((r) => [r.low, r.high]));
        const first = c.contestants[0];
        return (
          <Ribbons
            name="best so far"
            height={320}
            x={budgetAxis(c)}
            y={robustAxis(visible(c.objective), values, c.direction)}
            curves={curves}
            ribbons={ribbons}
            summary={`Best ${visible(c.objective)} so far of ${plural(c.contestants.length, "group")} against ${AGAINST[c.against]}: the best ranked, ${visible(first.label)}, has ${number(num(first.median))} ${at(c)}.`}
          />
        );
      }}
    </AnswerPanel>
  );
}

const GROUPS = [
  { value: "study", label: "each study", title: "Each study is a run of its own" },
  {
    value: "name",
    label: "by name",
    title: "Studies whose names differ in a number at the end are runs of one group, such as seeds",
  },
];
const label = ({ label: text, runs }: Contestant): string => (runs > 1 ? `${text} (${plural(runs, "run")})` : text);

function Ranks({ answer }: { answer: Answer<Comparison> }) {
  return (
    <AnswerPanel
      title="Ranks"
      answer={answer}
      note="1 is the best"
      table={(c) => ({
        columns: [AGAINST[c.against], ...c.contestants.map((one) => one.label)],
        rows: c.budgets.map((b, i) => [num(b), ...c.contestants.map((one) => num(one.ranks[i]))]),
      })}
    >
      {(c) => {
        const xs = c.budgets.map(num);
        const curves = c.contestants.map((one, i): Curve => ({
          label: `${one.label}: ${number(num(one.rank), 3)} at the end`,
          xs,
          ys: one.ranks.map(num),
          ...apart(i),
          step: true,
          width: 2,
        }));
        return (
          <Ribbons
            name="ranks"
            x={budgetAxis(c)}
            y={axis("mean rank", [1, c.contestants.length])}
            curves={curves}
            summary={`Mean ranks ${at(c)}: ${c.contestants.map((one) => `${visible(one.label)} ${number(num(one.rank), 3)}`).join(", ")}.`}
          />
        );
      }}
    </AnswerPanel>
  );
}

/** Values of the complete trials of each study: its columns are asked for once, for all studies are not in the store. */
function useValues(chosen: readonly number[], objective: string | undefined): Map<number, number[]> | Error | null {
  const [found, setFound] = useState<Map<number, number[]> | Error | null>(null);
  useEffect(() => {
    let current = true;
    if (objective === undefined) return;
    const one = async (id: number): Promise<[number, number[]]> => {
      const { columns, count } = decode(await getBytes(`studies/${id}/columns`));
      const [state, values] = [
        columns.find((c) => c.kind === "state"),
        columns.find((c) => c.kind === "value" && c.name === objective),
      ];
      return [
        id,
        state && values
          ? Array.from({ length: count }, (_, i) => (state.data[i] === 1 ? values.data[i] : NaN)).filter(
              Number.isFinite,
            )
          : [],
      ];
    };
    void Promise.all(chosen.map(one)).then(
      (all) => current && setFound(new Map(all)),
      (error) => current && setFound(error as Error),
    );
    return () => {
      current = false;
    };
  }, [chosen.join(), objective]);
  return found;
}

/** The group that a study went to: its own name, or what that begins with. */
const groupOf = (name: string, labels: readonly string[], group: string): number =>
  labels.reduce(
    (best, label, i) =>
      (group === "study" ? name === label : name.startsWith(label) && label.length > (labels[best]?.length ?? -1))
        ? i
        : best,
    -1,
  );

function Spread({
  chosen,
  known,
  answer,
  group,
}: {
  chosen: readonly number[];
  known: readonly StudyRow[];
  answer: Answer<Comparison>;
  group: string;
}) {
  const found = useValues(chosen, answer.value?.objective);
  const name = (id: number) => known.find((s) => s.id === id)?.name ?? `study ${id}`;
  const asked = {
    value: answer.value && found instanceof Map ? found : null,
    error: answer.error ?? (found instanceof Error ? found : null),
    loading: answer.loading || found === null,
    again: answer.again,
  };
  return (
    <AnswerPanel
      title="How values are spread"
      answer={asked}
      note="share of complete trials at least as good"
      nothing={(values) =>
        [...values.values()].every((v) => v.length === 0) ? "None of these studies has a complete trial yet." : null
      }
      table={(values) => ({
        columns: ["study", "complete trials", "best", "median", "worst"],
        rows: chosen.map((id) => summaryRow(name(id), values.get(id) ?? [], answer.value?.direction)),
      })}
    >
      {(values) => {
        const { objective, direction, contestants } = answer.value as Comparison;
        const labels = contestants.map((c) => c.label);
        const groups = chosen.map((id) => groupOf(name(id), labels, group));
        const curves = chosen.map((id, i): Curve => {
          const { xs, ys } = distribution(values.get(id) ?? [], direction === "maximize");
          const named = groups.indexOf(groups[i]) < i ? null : labels[groups[i]];
          return { label: name(id), named, xs, ys: ys.map((y) => 100 * y), ...apart(Math.max(0, groups[i])), width: 2 };
        });
        const shown = all(...curves.map((c) => c.xs));
        return (
          <Ribbons
            name="ecdf"
            x={robustAxis(visible(objective), shown, direction)}
            y={axis("trials, %", [0, 100])}
            curves={curves}
            summary={`The share of complete trials whose ${visible(objective)} is at least as good as a value, for ${plural(chosen.length, "study", "studies")}.`}
          />
        );
      }}
    </AnswerPanel>
  );
}

function summaryRow(name: string, values: readonly number[], direction: string | undefined): unknown[] {
  const sorted = [...values].sort((a, b) => (direction === "maximize" ? b - a : a - b));
  return [name, sorted.length, sorted[0], sorted[sorted.length >> 1], sorted[sorted.length - 1]];
}

function Drifts({ answer }: { answer: Answer<Comparison> }) {
  const labels = answer.value?.contestants.map((c) => c.label) ?? [];
  const range = (o: Drift["optima"][string] | undefined): string =>
    !o
      ? "–"
      : o.low === o.high || typeof o.value !== "number"
        ? told(o.value)
        : `${told(o.value)} (${told(o.low)} to ${told(o.high)})`;
  return (
    <AnswerPanel
      title="Where the optimum lies"
      wide
      answer={answer}
      note="0 %: at the same place; 100 %: at opposite ends of the range"
      nothing={(c) =>
        c.parameters.length === 0 ? "These studies have no parameter in common whose best value is known." : null
      }
      table={(c) => ({
        columns: ["parameter", "shift", "spread within a group", ...labels],
        rows: c.parameters.map((p) => [p.name, num(p.shift), num(p.spread), ...labels.map((l) => range(p.optima[l]))]),
      })}
    >
      {(c) => (
        <>
          <Bars
            full={1}
            format={percent}
            summary={`How far the best values lie apart, by parameter: the most, ${visible(c.parameters[0].name)}, ${percent(num(c.parameters[0].shift))} of its range.`}
            bars={c.parameters.slice(0, 20).map((p): Bar => ({
              label: p.name,
              value: num(p.shift),
              note: Number.isFinite(num(p.spread)) ? `${percent(num(p.spread))} within a group` : undefined,
            }))}
          />
          <div class="figures" tabIndex={0} role="region" aria-label="Best values of the parameters">
            <table>
              <thead>
                <tr>
                  <th scope="col">best value of</th>
                  {labels.map((l) => (
                    <th key={l} scope="col">
                      {visible(l)}
                    </th>
                  ))}
                </tr>
              </thead>
              <tbody>
                {c.parameters.slice(0, 20).map((p) => (
                  <tr key={p.name}>
                    <td>{visible(p.name)}</td>
                    {labels.map((l) => (
                      <td key={l}>{range(Object.hasOwn(p.optima, l) ? p.optima[l] : undefined)}</td>
                    ))}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {c.parameters.length > 20 && <p class="note">The 20 that differ most, of {c.parameters.length}.</p>}
        </>
      )}
    </AnswerPanel>
  );
}
