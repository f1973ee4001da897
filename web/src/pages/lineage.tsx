// Who descends from whom: the members of a population over their steps, how each hyperparameter went, and the schedule of the best.
import { useMemo } from "preact/hooks";
import { useAnswer } from "../api.js";
import { AnswerPanel } from "../components/Panel.js";
import { Tile } from "../components/parts.js";
import { count, number, plural, value as told, visible } from "../format.js";
import { ancestry, forks, members, ranked, type Stretch, way } from "../layout/family.js";
import { hook } from "../hook.js";
import { axis, whole } from "../plots/axes.js";
import { rgb, ramp } from "../plots/colours.js";
import { type Area, Frame } from "../plots/Frame.js";
import { Ramp } from "../plots/Ramp.js";
import { type Curve, Ribbons } from "../plots/Ribbons.js";
import type { Axis } from "../plots/scale.js";
import { type Num, num } from "../protocol.js";
import { go, href } from "../router.js";
import { hover, revision, study } from "../store.js";
import { parameterOf } from "../parts/axes.js";

export interface Node extends Stretch {
  relation: "fork" | "retry" | null;
  generation: number;
  children: number;
  state: string;
  attempts: number;
  value: Num;
  params: Record<string, unknown>;
  is_ancestor: boolean;
}

/** `analysis/lineage.py`, in JSON. */
export interface Lineage {
  objective: string;
  direction: string;
  nodes: Node[];
  roots: number[];
  best: number | null;
  path: number[];
  schedule: { start: number; end: number; params: Record<string, unknown>; trial: number }[];
  generations: number;
}

const NONE =
  'No trial descends from another one. A population does: scheduler="pbt" or "pb2", where losers go on as copies of winners; so does a trial that runs a failed one again.';
const nothing = (l: Lineage) => (l.nodes.length === 0 ? NONE : null);

export default function LineagePage() {
  const open = study.value;
  const answer = useAnswer<Lineage>(open ? `studies/${open.id}/lineage` : null, revision.value);
  if (!open) return null;
  const nodes = answer.value?.nodes ?? [];
  const names = [...new Set(nodes.flatMap((n) => Object.keys(n.params)))];
  return (
    <div class="page">
      <AnswerPanel
        title="Family"
        wide
        answer={answer}
        nothing={nothing}
        table={(l) => ({
          columns: ["trial", "parent", "is its", "generation", "after step", "to step", "state", l.objective],
          rows: l.nodes.map((n) => [
            n.number,
            n.parent,
            n.relation,
            n.generation,
            n.start,
            n.end,
            n.state.toLowerCase(),
            num(n.value),
          ]),
        })}
      >
        {(l) => <Family l={l} id={open.id} />}
      </AnswerPanel>
      {nodes.length > 0 && (
        <AnswerPanel
          title="Hyperparameters over steps"
          wide
          answer={answer}
          note="thick: the way to the best"
          table={(l) => ({
            columns: ["trial", "after step", "to step", ...names],
            rows: l.nodes.map((n) => [n.number, n.start, n.end, ...names.map((name) => n.params[name])]),
          })}
        >
          {(l) => (
            <div class="pairs">
              {names.map((name) => (
                <Schedule key={name} l={l} name={name} id={open.id} />
              ))}
            </div>
          )}
        </AnswerPanel>
      )}
      {nodes.length > 0 && (
        <AnswerPanel
          title="Schedule of the best"
          wide
          answer={answer}
          nothing={(l) => (l.schedule.length === 0 ? "The best trial reported no step, so it has no schedule." : null)}
        >
          {(l) => <BestSchedule l={l} names={names} id={open.id} />}
        </AnswerPanel>
      )}
    </div>
  );
}

/** What the members' way is measured in: steps or, where these begin anew with each trial, generations. */
export function spans(nodes: readonly Node[]): { nodes: Node[]; label: string } {
  const resumed = nodes.some((n) => n.start > 0);
  if (resumed) return { nodes: nodes.map((n) => (n.end > n.start ? n : { ...n, end: n.start + 1 })), label: "step" };
  return { nodes: nodes.map((n) => ({ ...n, start: n.generation, end: n.generation + 1 })), label: "generation" };
}

const ROW = 16;

function Family({ l, id }: { l: Lineage; id: number }) {
  const { nodes, label } = useMemo(() => spans(l.nodes), [l]);
  const { row, rows } = useMemo(() => members(nodes), [nodes]);
  const joints = useMemo(() => forks(nodes), [nodes]);
  const best = useMemo(() => new Map(way(nodes, l.path).map(([n, from, to]) => [n, [from, to] as const])), [nodes]);
  const values = nodes.map((n) => num(n.value));
  const share = useMemo(
    () =>
      ranked(
        nodes.map((n) => num(n.value)),
        l.direction === "maximize",
      ),
    [nodes, l],
  );
  const x = whole(label, [0, ...nodes.map((n) => n.end)]);
  const y: Axis = {
    label: "member",
    kind: "category",
    low: 0,
    high: rows - 1,
    options: Array.from({ length: rows }, (_, i) => String(rows - i)),
  };
  const box = ({ x, top, height }: Area, i: number) => {
    const tall = height / rows;
    const [left, right] = [x.at(nodes[i].start), x.at(nodes[i].end)];
    return {
      left: left + 1,
      wide: Math.max(2, right - left - 2),
      top: top + row[i] * tall + 1.5,
      tall: Math.max(2, tall - 3),
    };
  };
  const marks = (area: Area) => {
    const { context: c, colours } = area;
    nodes.forEach((n, i) => {
      const b = box(area, i);
      c.fillStyle = Number.isFinite(values[i])
        ? `rgb(${ramp(share(values[i]), colours.dark).join(" ")})`
        : `rgb(${rgb(colours.grid).join(" ")})`;
      c.fillRect(b.left, b.top, b.wide, b.tall);
      const part = best.get(n.number);
      if (!part) return;
      c.strokeStyle = colours.hover;
      c.lineWidth = 2;
      c.strokeRect(b.left, b.top, Math.max(2, area.x.at(part[1]) - area.x.at(part[0]) - 2), b.tall);
    });
    for (const [parent, child] of joints) joint(area, box(area, parent), box(area, child), nodes[child]);
    hook.drawn.family = nodes.length;
  };
  const joint = (
    { context: c, colours }: Area,
    from: ReturnType<typeof box>,
    to: ReturnType<typeof box>,
    child: Node,
  ) => {
    if (from.top === to.top) return;
    c.strokeStyle = child.is_ancestor ? colours.hover : colours.line;
    c.lineWidth = child.is_ancestor ? 2 : 1;
    c.setLineDash(child.relation === "retry" ? [3, 3] : []);
    c.beginPath();
    c.moveTo(to.left - 1, from.top + from.tall / 2);
    c.lineTo(to.left - 1, to.top + to.tall / 2);
    c.stroke();
    c.setLineDash([]);
  };
  const over = (area: Area) => {
    const line = new Set(hover.value < 0 ? [] : ancestry(nodes, hover.value));
    nodes.forEach((n, i) => {
      if (!line.has(n.number)) return;
      const b = box(area, i);
      area.context.strokeStyle = area.colours.text;
      area.context.lineWidth = 2;
      area.context.strokeRect(b.left, b.top, b.wide, b.tall);
    });
  };
  const hit = (px: number, py: number, area: Area) =>
    nodes.findIndex((_, i) => {
      const b = box(area, i);
      return px >= b.left - 1 && px <= b.left + b.wide + 1 && py >= b.top - 1 && py <= b.top + b.tall + 1;
    });
  const say = (i: number) => {
    const n = l.nodes[i];
    const origin =
      n.parent === null
        ? "from the beginning"
        : `${n.relation === "retry" ? "runs again" : "a copy of"} trial ${n.parent}`;
    return `trial ${n.number} · ${origin} · steps ${n.start} to ${n.end}\n${visible(l.objective)} ${number(num(n.value))}\n${Object.entries(
      n.params,
    )
      .slice(0, 8)
      .map(([k, v]) => `${visible(k)} ${told(v)}`)
      .join("\n")}`;
  };
  const copies = l.nodes.filter((n) => n.relation === "fork").length;
  const retries = l.nodes.filter((n) => n.relation === "retry").length;
  const summary = `${plural(l.nodes.length, "trial")} with relatives in ${plural(l.generations, "generation")}: ${plural(copies, "copy", "copies")}, ${retries} run again. ${l.best === null ? "" : `The best, trial ${l.best}, has ${plural(l.path.length - 1, "ancestor")}: ${l.path.join(", ")}.`}`;
  return (
    <>
      <div class="tiles">
        <Tile label="members at once">{count(rows)}</Tile>
        <Tile label="generations">{count(l.generations)}</Tile>
        <Tile label="copies">{count(copies)}</Tile>
        <Tile label="run again">{count(retries)}</Tile>
        {l.best !== null && (
          <Tile label="best" note={`after ${plural(l.path.length - 1, "ancestor")}`}>
            <a href={href("trials", id, { trial: String(l.best) })}>trial {l.best}</a>
          </Tile>
        )}
      </div>
      <div class="scroll-y" tabIndex={0} role="region" aria-label="Members of the population">
        <Frame
          {...{ x, y, summary, marks, over, hit }}
          name="family"
          label={say}
          height={Math.max(140, rows * ROW + 56)}
          onHover={(i) => (hover.value = i < 0 ? -1 : nodes[i].number)}
          onPick={(i) => go(href("trials", id, { trial: String(nodes[i].number) }))}
        />
      </div>
      <p class="legend">
        <Ramp from="worse" to={`better ${visible(l.objective)}, by rank`} />
        <span class="family-best">the best and its ancestors</span>
      </p>
    </>
  );
}

function Schedule({ l, name, id }: { l: Lineage; name: string; id: number }) {
  const { nodes, label } = useMemo(() => spans(l.nodes), [l]);
  const parameter = study.value ? parameterOf(study.value, name) : undefined;
  const options = nodes.every((n) => typeof n.params[name] === "number" || n.params[name] === undefined)
    ? null
    : [...new Set(nodes.flatMap((n) => (n.params[name] === undefined ? [] : [told(n.params[name])])))].sort();
  const at = (n: Node): number => (options ? options.indexOf(told(n.params[name])) : Number(n.params[name] ?? NaN));
  const one = (n: Node): Curve => ({
    label: `trial ${n.number}`,
    xs: [n.start, n.end],
    ys: [at(n), at(n)],
    ink: "muted",
    width: 1,
    trial: n.number,
    named: null,
  });
  const known = nodes.filter((n) => n.params[name] !== undefined);
  const path = known.filter((n) => n.is_ancestor);
  const by = new Map(path.map((n) => [n.number, at(n)]));
  const steps = way(nodes, l.path).flatMap(([n, from, to]) => [
    [from, by.get(n) ?? NaN],
    [to, by.get(n) ?? NaN],
  ]);
  const best: Curve = {
    label: "the way to the best",
    xs: steps.map((s) => s[0]),
    ys: steps.map((s) => s[1]),
    ink: 0,
    width: 3,
    named: null,
  };
  const values = known.map(at);
  const y = options
    ? { ...axis(visible(name), [0, options.length - 1], "category"), options }
    : axis(visible(name), values, parameter?.log ? "log" : "linear");
  const last = path[path.length - 1];
  const summary = `${visible(name)} of ${plural(known.length, "trial")} over ${label}s.${last ? ` The best went from ${told(path[0].params[name])} to ${told(last.params[name])}.` : ""}`;
  return (
    <div>
      <Ribbons
        name={`schedule ${name}`}
        x={whole(label, [0, ...nodes.map((n) => n.end)])}
        y={y}
        curves={[...known.map(one), best]}
        height={190}
        summary={summary}
        onPick={(trial) => go(href("trials", id, { trial: String(trial) }))}
      />
    </div>
  );
}

function BestSchedule({ l, names, id }: { l: Lineage; names: readonly string[]; id: number }) {
  return (
    <div class="figures" tabIndex={0} role="region" aria-label="Schedule of the best trial">
      <table>
        <thead>
          <tr>
            <th scope="col">steps</th>
            <th scope="col" class="num">
              trial
            </th>
            {names.map((n) => (
              <th key={n} scope="col" class={l.schedule.some((s) => isNumber(s.params[n])) ? "num" : undefined}>
                {visible(n)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {l.schedule.map((s, i) => (
            <tr key={i}>
              <td>
                {s.start + 1} to {s.end}
              </td>
              <td class="num">
                <a href={href("trials", id, { trial: String(s.trial) })}>{s.trial}</a>
              </td>
              {names.map((n) => (
                <td key={n} class={isNumber(s.params[n]) ? "num" : undefined}>
                  {told(s.params[n])}
                  {changed(l, i, n) && (
                    <span class="changed" title="changed here">
                      {" "}
                      ●
                    </span>
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const isNumber = (value: unknown): boolean => typeof value === "number";

const changed = ({ schedule }: Lineage, i: number, name: string): boolean =>
  i > 0 && JSON.stringify(schedule[i].params[name]) !== JSON.stringify(schedule[i - 1].params[name]);
