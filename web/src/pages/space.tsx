// The declared space as a tree, where in it trials lie, and what findings would change about it.
import { useMemo } from "preact/hooks";
import { AnswerPanel, Panel } from "../components/Panel.js";
import { bestTenth, type Coverage, coverage } from "../coverage.js";
import { count, number, plural, visible } from "../format.js";
import { type Finding, Findings, useFindings } from "../parts/Findings.js";
import { type Declared, type Node, range, shown, tree } from "../space.js";
import { columns, columnsOf, study } from "../store.js";
import type { Objective, Study } from "../types.js";

export default function Space() {
  const now = study.value;
  return now && <Declaration study={now} />;
}

function Declaration({ study: { id, problem } }: { study: Study }) {
  const space = problem.space as Declared[];
  const good = useMemo(() => goodOf(problem.objectives), [columns.value]);
  return (
    <div class="page">
      <Edits study={id} />
      <Panel
        wide
        title="Parameters"
        note={
          good.size > 0
            ? `${plural(space.length, "parameter")}; in full colour the best tenth of the trials`
            : plural(space.length, "parameter")
        }
        empty={
          space.length === 0
            ? "The objective asks for its parameters itself; they appear with the first trial."
            : undefined
        }
      >
        <Nodes nodes={tree(space)} good={good} />
      </Panel>
    </div>
  );
}

/** The best tenth by the only objective; of several none is said to be good. */
function goodOf(objectives: readonly Objective[]): ReadonlySet<number> {
  const [column, ...others] = columnsOf("value");
  return column && others.length === 0 ? bestTenth(column.data, objectives[0].direction === "maximize") : new Set();
}

/** What findings say about parameters. */
function Edits({ study: id }: { study: number }) {
  return (
    <AnswerPanel
      wide
      title="Suggested edits"
      answer={useFindings(id)}
      nothing={({ findings }) => (findings.some(concernsSpace) ? null : "No finding asks for another space.")}
    >
      {({ findings }) => <Findings study={id} findings={findings.filter(concernsSpace)} />}
    </AnswerPanel>
  );
}

const concernsSpace = ({ parameters }: Finding): boolean => parameters.length > 0;

function Nodes({ nodes, good }: { nodes: readonly Node[]; good: ReadonlySet<number> }) {
  return (
    <ul class="tree">
      {nodes.map(({ parameter, branches }) => (
        <li key={parameter.name}>
          <OneParameter parameter={parameter} good={good} />
          {branches.map((branch) => (
            <div key={branch.condition} class="branch">
              <p class="note">where {visible(branch.condition)}</p>
              <Nodes nodes={branch.nodes} good={good} />
            </div>
          ))}
        </li>
      ))}
    </ul>
  );
}

function OneParameter({ parameter, good }: { parameter: Declared; good: ReadonlySet<number> }) {
  const { name, default: usual, prior, parts } = parameter;
  const column = columnsOf("param").find((each) => each.name === name);
  return (
    <div class="parameter">
      <div>
        <b>{visible(name)}</b>
        <p class="note">{visible(range(parameter))}</p>
        {usual !== undefined && <p class="note">default {visible(shown(usual))}</p>}
        {prior && (
          <p class="note">
            believed near {visible(shown(prior[0]))}, confidence {prior[1]}
          </p>
        )}
      </div>
      {column && <Histogram name={name} coverage={coverage(parameter, column, good)} />}
      {parts && (
        <ul class="tree">
          {parts.map((part) => (
            <li key={part.name}>
              <OneParameter parameter={part} good={good} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

const [ACROSS, UP] = [240, 40];

/** How many trials lie where, and how many of the best; two paths, since a space may have hundreds of parameters. */
function Histogram({ name, coverage: { edges, options, counts, good, active } }: { name: string; coverage: Coverage }) {
  const most = Math.max(1, ...counts);
  const label = (i: number) => (edges ? `${number(edges[i])} to ${number(edges[i + 1])}` : visible(options?.[i] ?? ""));
  const empty = counts.filter((n) => n === 0).length;
  const said = `${visible(name)}, ${plural(active, "trial")}: ${empty === 0 ? "every part was tried" : `${empty} of ${counts.length} parts were never tried`}`;
  const point = (event: PointerEvent) => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const i = Math.min(counts.length - 1, Math.floor(((event.clientX - box.left) / box.width) * counts.length));
    (event.currentTarget as Element).parentElement!.title =
      `${label(i)}: ${plural(counts[i], "trial")}${good[i] ? `, ${count(good[i])} of the best tenth` : ""}`;
  };
  return (
    <figure class="coverage">
      <svg
        role="img"
        aria-label={said}
        viewBox={`0 0 ${ACROSS} ${UP}`}
        preserveAspectRatio="none"
        onPointerMove={point}
      >
        <path class="all" d={columnsPath(counts, most)} />
        <path class="good" d={columnsPath(good, most)} />
      </svg>
      <figcaption class={edges ? "note" : "note each"}>
        {edges ? (
          <>
            <span>{number(edges[0])}</span>
            <span>{number(edges[edges.length - 1])}</span>
          </>
        ) : (
          options?.map((option, i) => (
            <span key={i} title={visible(option)}>
              {visible(option)}
            </span>
          ))
        )}
      </figcaption>
    </figure>
  );
}

/** Columns from the ground, side by side with a little room between them. */
function columnsPath(counts: readonly number[], most: number): string {
  const wide = ACROSS / counts.length;
  const [left, width] = [Math.min(1, 0.05 * wide), wide - 2 * Math.min(1, 0.05 * wide)];
  return counts
    .map((n, i) =>
      n === 0
        ? ""
        : `M${(i * wide + left).toFixed(1)} ${UP}v${-((UP * n) / most).toFixed(1)}h${width.toFixed(1)}V${UP}z`,
    )
    .join("");
}
