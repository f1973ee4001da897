// What a trial reported, beside where the others' curves lie and the best one's.
import { useState } from "preact/hooks";
import { useAnswer } from "../api.js";
import { count, number } from "../format.js";
import { joined, Lines, type BandSeries, type Series } from "../plots/Lines.js";
import { extent, robust } from "../plots/scale.js";
import { num, type Num } from "../protocol.js";
import { revision } from "../store.js";
import { Switch } from "../components/parts.js";
import type { TrialDetail } from "./Trial.js";

interface OneCurve {
  number: number;
  steps: number[];
  values: Num[];
}

/** The part of `analysis/curves.py`'s answer that is drawn here. */
interface Others {
  metric: string;
  direction: string | null;
  steps: number[];
  quantiles: Num[][];
  top: OneCurve[];
}

interface Curve {
  xs: readonly number[];
  ys: number[];
}

const curveOf = ({ steps, values }: { steps: number[]; values: Num[] }): Curve => ({ xs: steps, ys: values.map(num) });

export function TrialCurve({ study, trial }: { study: number; trial: TrialDetail }) {
  const metrics = Object.keys(trial.curves);
  const [wanted, setMetric] = useState<string | null>(null);
  const metric = wanted !== null && metrics.includes(wanted) ? wanted : metrics[0];
  const path = metric === undefined ? null : `studies/${study}/curves?top=1&metric=${encodeURIComponent(metric)}`;
  const answer = useAnswer<Others>(path, revision.value).value;
  const others = answer?.metric === metric ? answer : null; // a report has those of one metric
  if (metric === undefined) return null;
  return (
    <section>
      <h3>Curve</h3>
      {metrics.length > 1 && (
        <Switch
          label="Metric"
          options={metrics.map((value) => ({ value, label: value }))}
          value={metric}
          onChange={setMetric}
        />
      )}
      <Plot metric={metric} number={trial.number} own={curveOf(trial.curves[metric])} others={others} />
    </section>
  );
}

function Plot({
  metric,
  number: n,
  own,
  others,
}: {
  metric: string;
  number: number;
  own: Curve;
  others: Others | null;
}) {
  const best = others?.top.find((top) => top.number !== n);
  const curves = [
    own,
    best ? curveOf(best) : { xs: [], ys: [] },
    ...(others?.quantiles ?? []).map((ys) => ({ xs: others!.steps, ys: ys.map(num) })),
  ];
  const { xs, ys } = joined(curves);
  const [mine, ofBest, ...quantiles] = ys;
  const bands: BandSeries[] =
    quantiles.length === 5
      ? [
          { label: "80 % of trials", low: quantiles[0], high: quantiles[4], opacity: 0.12 },
          { label: "50 % of trials", low: quantiles[1], high: quantiles[3], opacity: 0.2 },
        ]
      : [];
  const series: Series[] = [{ label: `#${n}`, ys: mine, width: 2.5, points: own.xs.length === 1 }];
  if (best) series.push({ label: `best, #${best.number}`, ys: ofBest, dashed: true });
  const { low, high } = robust(
    curves.flatMap((curve) => curve.ys),
    others?.direction === "maximize" ? "high" : others?.direction === "minimize" ? "low" : null,
  );
  const [first, last] = extent(xs);
  const said = `Trial ${n} reported ${metric} ${count(own.xs.length)} times, from ${number(own.ys[0])} to ${number(own.ys[own.ys.length - 1])}.`;
  return (
    <Lines
      name="trial-curve"
      summary={said}
      height={200}
      xs={xs}
      series={series}
      bands={bands}
      x={{ label: "step", kind: "integer", low: first, high: last }}
      y={{ label: metric, kind: "linear", low, high }}
    />
  );
}
