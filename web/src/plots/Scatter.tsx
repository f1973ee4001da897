// Points of trials, with lines over them. Few are drawn with the shape of their state, many as a density.
import { useRef } from "preact/hooks";
import { hook } from "../hook.js";
import { selection } from "../selection.js";
import { hover } from "../store.js";
import { rgb } from "./colours.js";
import { type Area, type BrushMode, type Box, Frame } from "./Frame.js";
import { Grid } from "./grid.js";
import { Raster, shadeIndex, shades, shape } from "./raster.js";
import type { Axis } from "./scale.js";

export interface Line {
  xs: ArrayLike<number>;
  ys: ArrayLike<number>;
  /** A colour of the style sheet's, such as "#0072b2"; by default that of the text. */
  colour?: string;
  step?: boolean;
  dashed?: boolean;
}

export interface ScatterProps {
  x: Axis;
  y: Axis;
  /** One pair per row; NaN is left out. Beyond the ends of y a point stands as ▲ or ▼ at the edge. */
  xs: ArrayLike<number>;
  ys: ArrayLike<number>;
  summary: string;
  name: string;
  height?: number;
  /** Numbers of TrialState; without them all are complete. */
  states?: ArrayLike<number>;
  /** The trial of each point, where points are not the rows of the study's columns. */
  trials?: ArrayLike<number>;
  /** Whether the study's selection and the hovered trial show here; true unless the points are no trials. */
  linked?: boolean;
  lines?: readonly Line[];
  /** Trials to ring, such as the best one. */
  rings?: readonly number[];
  label?: (row: number) => string;
  onPick?: (trial: number, event: MouseEvent) => void;
  onBrush?: (box: Box, mode: BrushMode, done: boolean) => void;
  onReset?: () => void;
  radius?: number;
  bare?: boolean;
}

/** From how many points on a density is drawn. */
export const DENSE = 10_000;
const CELL = 2;

interface Placed {
  key: unknown[];
  px: Float32Array;
  py: Float32Array;
  grid: Grid | null;
  raster: Raster | null;
  cells: Int32Array | null;
}

export function Scatter(props: ScatterProps) {
  const placed = useRef<Placed | null>(null);
  const { xs, ys, trials, linked = true, states, radius = 3 } = props;
  const trial = (i: number) => (trials ? trials[i] : i);
  const pointOf = (row: number) => (trials ? Array.prototype.indexOf.call(trials, row) : row);

  const marks = (area: Area) => {
    const at = (placed.current = place(placed.current, area, xs, ys));
    const mask = linked ? selection.value.mask : null;
    const dense = xs.length > DENSE;
    hook.drawn[props.name] = dense ? drawDensity(area, at, mask, trial) : drawPoints(area, at, mask, trial, states, radius);
    for (const line of props.lines ?? []) drawLine(area, line);
    for (const row of props.rings ?? []) ring(area, at, pointOf(row), area.colours.text, radius + 3);
  };
  const over = (area: Area) => {
    const row = linked ? pointOf(hover.value) : -1;
    const at = placed.current;
    if (row < 0 || !at || row >= at.px.length) return;
    ring(area, at, row, area.colours.hover, radius + 3);
    area.context.fillStyle = area.colours.hover;
    area.context.strokeStyle = area.colours.hover;
    shape(area.context, states ? states[row] : 1, at.px[row], at.py[row], radius);
  };
  const hit = (px: number, py: number, area: Area) => {
    const at = placed.current;
    if (!at) return -1;
    at.grid ??= new Grid(at.px, at.py, area.left + area.width + 20, area.top + area.height + 20);
    const mask = linked ? selection.peek().mask : null;
    const i = at.grid.nearest(px, py, 10, mask ? (k) => mask[trial(k)] === 1 : undefined);
    return i < 0 ? -1 : trial(i);
  };
  const hovered = (row: number) => {
    if (linked) hover.value = row;
  };
  const { onPick, onBrush, onReset, bare, height, name, summary, x, y, label } = props;
  return <Frame {...{ x, y, summary, name, height, bare, hit, label, onPick, onBrush, onReset, marks, over }} onHover={hovered} />;
}

/** Pixels of all points, kept until data, axes or size change. */
function place(before: Placed | null, area: Area, xs: ArrayLike<number>, ys: ArrayLike<number>): Placed {
  const { x, y } = area;
  const key = [xs, ys, x.axis.low, x.axis.high, y.axis.low, y.axis.high, x.from, x.to, y.from, y.to, area.ratio];
  if (before && key.every((part, i) => part === before.key[i])) return before;
  const n = Math.min(xs.length, ys.length);
  const [px, py] = [new Float32Array(n), new Float32Array(n)];
  for (let i = 0; i < n; i++) {
    px[i] = x.at(xs[i]);
    const at = y.at(ys[i]);
    py[i] = y.axis.outliers && at === at ? Math.min(y.from, Math.max(y.to, at)) : at;
  }
  const wide = Math.max(1, Math.ceil(area.width * area.ratio) + 2 * MARGIN);
  const tall = Math.max(1, Math.ceil(area.height * area.ratio) + 2 * MARGIN);
  const kept = before?.raster && before.raster.width === wide && before.raster.height === tall ? before.raster : null;
  return { key, px, py, grid: null, raster: kept ?? new Raster(wide, tall), cells: null };
}

const MARGIN = 6;

function drawPoints(area: Area, at: Placed, mask: Uint8Array | null, trial: (i: number) => number, states: ArrayLike<number> | undefined, radius: number): number {
  const { ratio, colours, left, top, y } = area;
  const raster = at.raster as Raster;
  raster.image.data.fill(0);
  const ink = colours.states.map(rgb);
  const grey = rgb(colours.muted);
  const opacity = at.px.length > 1500 ? 0.55 : 0.85;
  let drawn = 0;
  const draw = (chosen: boolean) => {
    for (let i = 0; i < at.px.length; i++) {
      if ((mask === null || mask[trial(i)] === 1) !== chosen || Number.isNaN(at.px[i] + at.py[i])) continue;
      const state = states ? states[i] : 1;
      const [px, py] = [(at.px[i] - left) * ratio + MARGIN, (at.py[i] - top) * ratio + MARGIN];
      raster.mark(px, py, state, radius, ratio, chosen ? ink[state] : grey, chosen ? opacity : 0.22);
      if (chosen) drawn++;
    }
  };
  if (mask) draw(false);
  draw(true);
  const margin = MARGIN / ratio;
  raster.paste(area.context, left - margin, top - margin, raster.width / ratio, raster.height / ratio);
  drawEdges(area, at, y.from, y.to);
  return drawn;
}

/** ▲ and ▼ for what lies beyond the robust range. */
function drawEdges({ context: c, y, colours }: Area, at: Placed, bottom: number, top: number): void {
  if (!y.axis.outliers) return;
  c.fillStyle = colours.muted;
  for (let i = 0; i < at.py.length; i++) {
    const up = at.py[i] === top;
    if (!up && at.py[i] !== bottom) continue;
    const way = up ? 1 : -1;
    c.beginPath();
    c.moveTo(at.px[i], at.py[i] - way);
    c.lineTo(at.px[i] - 3.5, at.py[i] + 5 * way);
    c.lineTo(at.px[i] + 3.5, at.py[i] + 5 * way);
    c.fill();
  }
}

function drawDensity(area: Area, at: Placed, mask: Uint8Array | null, trial: (i: number) => number): number {
  const { left, top, width, height, colours } = area;
  const across = Math.ceil(width / CELL) + 1;
  const down = Math.ceil(height / CELL) + 1;
  at.cells ??= cellsOf(at, left, top, across, down);
  const [others, chosen] = [new Uint32Array(across * down), new Uint32Array(across * down)];
  let [most, mostOthers, drawn] = [0, 0, 0];
  for (let i = 0; i < at.cells.length; i++) {
    const cell = at.cells[i];
    if (cell < 0) continue;
    if (mask !== null && mask[trial(i)] === 0) mostOthers = Math.max(mostOthers, ++others[cell]);
    else {
      most = Math.max(most, ++chosen[cell]);
      drawn++;
    }
  }
  const raster = new Raster(across, down);
  const pixels = new Uint32Array(raster.image.data.buffer);
  const [bright, dim] = [shades(most, colours, false), shades(mostOthers, colours, true)];
  const [index, indexOthers] = [shadeIndex(most), shadeIndex(mostOthers)];
  for (let c = 0; c < pixels.length; c++) pixels[c] = chosen[c] ? bright[index(chosen[c])] : others[c] ? dim[indexOthers(others[c])] : 0;
  area.context.imageSmoothingEnabled = false;
  raster.paste(area.context, left - CELL / 2, top - CELL / 2, across * CELL, down * CELL);
  return drawn;
}

function cellsOf({ px, py }: Placed, left: number, top: number, across: number, down: number): Int32Array {
  const cells = new Int32Array(px.length);
  for (let i = 0; i < cells.length; i++) {
    const [column, row] = [Math.round((px[i] - left) / CELL), Math.round((py[i] - top) / CELL)];
    cells[i] = column >= 0 && row >= 0 && column < across && row < down ? row * across + column : -1;
  }
  return cells;
}

/** A line through finite values; NaN breaks it. */
export function drawLine({ context: c, x, y, colours }: Area, { xs, ys, colour, step, dashed }: Line): void {
  c.strokeStyle = colour ?? colours.text;
  c.lineWidth = 1.5;
  c.setLineDash(dashed ? [5, 4] : []);
  c.beginPath();
  let [on, last] = [false, 0];
  for (let i = 0; i < xs.length; i++) {
    const [px, py] = [x.at(xs[i]), y.at(ys[i])];
    if (!Number.isFinite(px + py)) {
      on = false;
      continue;
    }
    if (!on) c.moveTo(px, py);
    else {
      if (step) c.lineTo(px, last);
      c.lineTo(px, py);
    }
    [on, last] = [true, py];
  }
  c.stroke();
  c.setLineDash([]);
}

function ring({ context: c }: Area, at: Placed, row: number, colour: string, radius: number): void {
  if (row < 0 || row >= at.px.length || Number.isNaN(at.px[row] + at.py[row])) return;
  c.strokeStyle = colour;
  c.lineWidth = 1.5;
  c.beginPath();
  c.arc(at.px[row], at.py[row], radius, 0, 7);
  c.stroke();
}
