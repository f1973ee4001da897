// Bars in lanes over time: which worker did what when. Where they are too many to see, each pixel shows how much of its time was spent in which state.
import { hook } from "../hook.js";
import { hover } from "../store.js";
import { selection } from "../selection.js";
import { type Area, Frame } from "./Frame.js";
import { coverage, crowded, spanAt } from "../layout/gantt.js";
import { STATES } from "./colours.js";
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
    return {
      left,
      width: Math.max(1, right - left - 0.5),
      top: area.top + lane[i] * tall + gap(tall),
      tall: tall - 2 * gap(tall),
    };
  };
  const marks = (area: Area) => {
    const { low, high } = area.x.axis;
    const dense = crowded(props, low, high, area.width, lanes.length);
    hook.drawn[name] = dense ? drawShares(area, props) : drawBars(area);
  };
  const drawBars = (area: Area): number => {
    const { context: c, colours } = area;
    const { mask } = selection.value;
    let drawn = 0;
    for (let i = 0; i < lane.length; i++) {
      const b = bar(area, i);
      if (b.left > area.left + area.width || b.left + b.width < area.left) continue;
      c.globalAlpha = mask !== null && mask[trial(i)] === 0 ? 0.2 : 0.85;
      c.fillStyle = colours.states[states[i]];
      c.fillRect(b.left, b.top, b.width, b.tall);
      drawn++;
    }
    c.globalAlpha = 1;
    return drawn;
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
    return spanAt(props, wanted, at, Math.abs(area.x.invert(px + 3) - at));
  };
  const hovered = (i: number) => (hover.value = i < 0 ? -1 : trial(i));
  return (
    <Frame
      {...{ x, y, summary, name, height, marks, spot, hit, label }}
      onHover={hovered}
      onPick={(i) => props.onPick?.(trial(i))}
    />
  );
}

/** Pixels between a lane's bars and its neighbours' half-way line. */
const gap = (tall: number): number => (tall < 14 ? 1 : 2);

/** From the bottom of each lane: the share of a pixel's time in each state. What is left empty was idle. */
function drawShares(area: Area, props: SegmentsProps): number {
  const { context: c, colours, left, top, height, x } = area;
  const width = Math.ceil(area.width);
  const shares = coverage(props, x.axis.low, x.axis.high, width, props.lanes.length, STATES.length);
  const tall = height / props.lanes.length;
  c.globalAlpha = 0.85;
  for (let row = 0; row < props.lanes.length; row++)
    for (let px = 0; px < width; px++) {
      let bottom = top + (row + 1) * tall - gap(tall);
      for (let state = 0; state < STATES.length; state++) {
        const part = (tall - 2 * gap(tall)) * Math.min(1, shares[(row * STATES.length + state) * width + px]);
        if (part === 0) continue;
        c.fillStyle = colours.states[state];
        c.fillRect(left + px, bottom - part, 1, part);
        bottom -= part;
      }
    }
  c.globalAlpha = 1;
  return props.lane.length;
}
