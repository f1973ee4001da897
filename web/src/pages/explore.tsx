import { useMemo } from "preact/hooks";
import { Panel } from "../components/Panel.js";
import { AllTrials } from "../parts/AllTrials.js";
import { axisOf, tell } from "../parts/axes.js";
import { Parallel } from "../plots/Parallel.js";
import { Scatter } from "../plots/Scatter.js";
import { columns, study } from "../store.js";
import { brushed, brushes, numbers, unbrush } from "../selection.js";

export default function Explore() {
  const all = columns.value;
  const found = useMemo(() => {
    const cols = all?.columns ?? [];
    const params = cols.filter((c) => c.kind === "param");
    const value = cols.find((c) => c.kind === "value");
    return { params, value, state: cols.find((c) => c.kind === "state"), axes: [...params, ...(value ? [value] : [])].map((c) => ({ key: c.key, axis: axisOf(c, study.peek()), values: numbers(c) })) };
  }, [all]);
  const { params, value, state, axes } = found;
  const y = useMemo(() => value && axisOf(value, study.peek()), [value]);
  if (!value || !y || !state) return null;
  return (
    <div class="page">
      <Panel title="Parallel coordinates" wide><Parallel name="parallel" summary="All" axes={axes} brushes={brushes.value} label={(t) => `trial ${t}`}
        onBrush={(key, range, mode, done) => brushed({ keys: [key], ranges: [range], mode }, done)} onReset={(key) => unbrush(key)} /></Panel>
      <Panel title="Parameters" wide><div class="multiples">{params.map((p, i) => <Scatter key={p.key} name={p.key} x={axes[i].axis} y={y} xs={axes[i].values} ys={numbers(value)} states={state.data} summary={p.name} height={170}
        label={(row) => `trial ${row}\n${p.name} ${tell(p, row)}`} onBrush={(box, mode, done) => brushed({ keys: [p.key, value.key], ranges: [box.x, box.y], mode }, done)} onReset={() => unbrush(p.key)} />)}</div></Panel>
      <Panel title="Trials" wide><AllTrials /></Panel>
    </div>
  );
}
