// Bars in lanes over time: which worker did what when. Bars narrower than a pixel merge, so all trials fit.
import { hook } from "../hook.js";
import { hover } from "../store.js";
import { selection } from "../selection.js";
import { type Area, Frame } from "./Frame.js";
import type { Axis } from "./scale.js";

export interface SegmentsProps {
  x: Axis;
  /** Names of the lanes, from top to bottom. */
  lanes: readonly string[];
  lane: ArrayLike<number>;
  from: ArrayLike<number>;
  to: ArrayLike<number>;
  /** Numbers of TrialState. */
  states: ArrayLike<number>;
  /** The trial of each segment; by default its row. */
  trials?: ArrayLike<number>;
  summary: string;
  name: string;
  label?: (segment: number) => string;
  onPick?: (trial: number) => void;
  /** Pixels of a lane. */
  thick?: number;
}

export function Segments(props: SegmentsProps) {
  const { x, lanes, lane, from, to, states, trials, summary, name, label, thick = 22 } = props;
  const height = Math.max(80, lanes.length * thick + 56);
  const y: Axis = { label: "", kind: "category", low: 0, high: lanes.length - 1, options: [...lanes].reverse() };
  const trial = (i: number) => (trials ? trials[i] : i);
  const bar = (area: Area, i: number) => {
    const [left, right] = [area.x.at(from[i]), area.x.at(to[i])];
    const tall = area.height / Math.max(1, lanes.length);
    return { left, width: Math.max(1, right - left - 0.5), top: area.top + lane[i] * tall + 2, tall: tall - 4 };
  };
  const marks = (area: Area) => {
    const { context: c, colours } = area;
    const { mask } = selection.value;
    const last = new Float64Array(lanes.length).fill(-1);
    let drawn = 0;
    for (let i = 0; i < lane.length; i++) {
      const b = bar(area, i);
      const pixel = Math.floor(b.left);
      if (b.width <= 1 && last[lane[i]] === pixel) continue;
      last[lane[i]] = pixel;
      const dim = mask !== null && mask[trial(i)] === 0;
      c.globalAlpha = dim ? 0.2 : 0.85;
      c.fillStyle = colours.states[states[i]];
      c.fillRect(b.left, b.top, b.width, b.tall);
      drawn++;
    }
    c.globalAlpha = 1;
    hook.drawn[name] = drawn;
  };
  const spot = (area: Area) => {
    const row = hover.value;
    const i = row < 0 ? -1 : trials ? Array.prototype.indexOf.call(trials, row) : row;
    if (i < 0 || i >= lane.length) return null;
    const b = bar(area, i);
    return { left: b.left - 2, top: b.top - 2, width: b.width + 4, height: b.tall + 4, round: false };
  };
  const hit = (px: number, py: number, area: Area) => {
    const wanted = Math.floor(((py - area.top) / area.height) * lanes.length);
    const at = area.x.invert(px);
    const room = Math.abs(area.x.invert(px + 3) - at);
    for (let i = lane.length - 1; i >= 0; i--) if (lane[i] === wanted && from[i] - room <= at && to[i] + room >= at) return i;
    return -1;
  };
  const hovered = (i: number) => (hover.value = i < 0 ? -1 : trial(i));
  return <Frame {...{ x, y, summary, name, height, marks, spot, hit, label }} onHover={hovered} onPick={(i) => props.onPick?.(trial(i))} />;
}
