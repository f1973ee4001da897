// Points of trials, with lines over them. Few are drawn with the shape of their state, many as a density.
import { useCallback, useRef } from "preact/hooks";
import { hook } from "../hook.js";
import { selection } from "../selection.js";
import { hover } from "../store.js";
import { ramp, rgb } from "./colours.js";
import { type Area, type BrushMode, type Box, Frame } from "./Frame.js";
import { Grid } from "./grid.js";
import { Raster, shadeIndex, shades } from "./raster.js";
import { type Axis, pixels, type Scale } from "./scale.js";

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
  /** One pair per row; NaN is left out. Beyond the ends of a robust range a point stands as a triangle at the edge. */
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
  /** Colours instead of those of the states: how good each point is, from 0 to 1, NaN unknown. */
  shade?: ArrayLike<number>;
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

/** From how many points on a density is drawn; on a small plot from fewer on, one for so many square pixels. */
export const DENSE = 10_000;
const ROOM = 10;
const CELL = 2;

interface Placed {
  key: unknown[];
  px: Float32Array;
  py: Float32Array;
  /** Points that lie beyond the axis. */
  beyond: number[];
  grid: Grid | null;
  raster: Raster | null;
  cells: Int32Array | null;
}

export function Scatter(props: ScatterProps) {
  const placed = useRef<Placed | null>(null);
  const { xs, ys, trials, linked = true, states, shade } = props;
  const radius = props.radius ?? (xs.length > 1500 ? 2 : 3);
  const trial = (i: number) => (trials ? trials[i] : i);
  const pointOf = (row: number) => (trials ? Array.prototype.indexOf.call(trials, row) : row);

  // The marks stay the same function while what they draw does: a parent that renders again draws nothing anew.
  const marks = useCallback(
    (area: Area) => {
      const at = (placed.current = place(placed.current, area, xs, ys));
      const mask = linked ? selection.value.mask : null;
      const dense = xs.length > Math.min(DENSE, (area.width * area.height) / ROOM);
      hook.drawn[props.name] = dense
        ? drawDensity(area, at, mask, trials, shade)
        : drawPoints(area, at, mask, trial, states, shade, radius);
      for (const line of props.lines ?? []) drawLine(area, line);
      for (const row of props.rings ?? []) ring(area, at, pointOf(row), area.colours.text, radius + 3);
    },
    [xs, ys, trials, linked, states, shade, radius, props.lines, props.rings, props.name],
  );
  const spot = () => {
    const i = linked ? pointOf(hover.value) : -1;
    const at = placed.current;
    if (i < 0 || !at || !Number.isFinite(at.px[i] + at.py[i])) return null;
    const wide = 2 * radius + 6;
    return { left: at.px[i] - wide / 2, top: at.py[i] - wide / 2, width: wide, height: wide, round: true };
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
  return (
    <Frame
      {...{ x, y, summary, name, height, bare, hit, label, onPick, onBrush, onReset, marks, spot }}
      onHover={hovered}
    />
  );
}

/** Pixels of all points, kept until data, axes or size change. */
function place(
  before: Placed | null,
  area: Area,
  xs: ArrayLike<number> & object,
  ys: ArrayLike<number> & object,
): Placed {
  const { x, y } = area;
  const [px, py] = [pixels(x, xs), pixels(y, ys)];
  const key = [px, py, x.from, x.to, y.from, y.to, area.ratio];
  if (before && key.every((part, i) => part === before.key[i])) return before;
  const beyond: number[] = [];
  if (x.axis.outliers || y.axis.outliers)
    for (let i = 0; i < py.length; i++) if (side(x, px[i]) || side(y, py[i])) beyond.push(i);
  return { key, px, py, beyond, grid: null, raster: before?.raster ?? null, cells: null };
}

/** Whether a pixel is that of a value beyond the robust range: 1 beyond its end, -1 before its start. */
const side = ({ axis, from, to }: Scale, pixel: number): number =>
  !axis.outliers ? 0 : pixel === Math.fround(to) ? 1 : pixel === Math.fround(from) ? -1 : 0;

/** An image of this size; the last one where it fits. */
function rasterOf(at: Placed, width: number, height: number): Raster {
  const fits = at.raster && at.raster.width === width && at.raster.height === height;
  return (at.raster = fits ? (at.raster as Raster) : new Raster(width, height));
}

const MARGIN = 6;

function drawPoints(
  area: Area,
  at: Placed,
  mask: Uint8Array | null,
  trial: (i: number) => number,
  states: ArrayLike<number> | undefined,
  shade: ArrayLike<number> | undefined,
  radius: number,
): number {
  const { ratio, colours, left, top, x, y } = area;
  const raster = rasterOf(at, Math.ceil(area.width * ratio) + 2 * MARGIN, Math.ceil(area.height * ratio) + 2 * MARGIN);
  raster.image.data.fill(0);
  const ink = colours.states.map(rgb);
  const grey = rgb(colours.muted);
  const [opacity, faint] = at.px.length > 1500 ? [0.6, 0.1] : [0.85, 0.25];
  const colour = (i: number, state: number) =>
    shade === undefined ? ink[state] : Number.isNaN(shade[i]) ? grey : ramp(0.1 + 0.9 * shade[i], colours.dark);
  let drawn = 0;
  const draw = (chosen: boolean) => {
    for (let i = 0; i < at.px.length; i++) {
      if ((mask === null || mask[trial(i)] === 1) !== chosen || !Number.isFinite(at.px[i] + at.py[i])) continue;
      const state = states ? states[i] : 1;
      if (side(x, at.px[i]) || side(y, at.py[i])) {
        if (chosen) drawn++;
        continue; // it is drawn as an arrow
      }
      const [px, py] = [(at.px[i] - left) * ratio + MARGIN, (at.py[i] - top) * ratio + MARGIN];
      raster.mark(px, py, state, radius, ratio, chosen ? colour(i, state) : grey, chosen ? opacity : faint);
      if (chosen) drawn++;
    }
  };
  if (mask) draw(false);
  draw(true);
  const margin = MARGIN / ratio;
  raster.paste(area.context, left - margin, top - margin, raster.width / ratio, raster.height / ratio);
  drawEdges(area, at);
  return drawn;
}

/** ▲, ▼, ◀ and ▶ for what lies beyond the robust range. */
function drawEdges({ context: c, colours, x, y }: Area, at: Placed): void {
  c.fillStyle = colours.muted;
  const taken = new Set<string>();
  for (const i of at.beyond) {
    const up = side(y, at.py[i]);
    const [across, down] = up ? [0, -up] : [side(x, at.px[i]), 0];
    const place = `${across} ${down} ${Math.round((across ? at.py[i] : at.px[i]) / 3)}`;
    if (taken.has(place)) continue;
    taken.add(place);
    const [px, py] = [at.px[i] + across, at.py[i] + down];
    c.beginPath();
    c.moveTo(px, py);
    c.lineTo(px - 6 * across + 3.5 * down, py - 6 * down + 3.5 * across);
    c.lineTo(px - 6 * across - 3.5 * down, py - 6 * down - 3.5 * across);
    c.fill();
  }
}

function drawDensity(
  area: Area,
  at: Placed,
  mask: Uint8Array | null,
  trials: ArrayLike<number> | undefined,
  shade: ArrayLike<number> | undefined,
): number {
  const { left, top, width, height, colours } = area;
  const across = Math.ceil(width / CELL) + 1;
  const down = Math.ceil(height / CELL) + 1;
  at.cells ??= cellsOf(at, left, top, across, down);
  const [others, chosen] = [new Uint32Array(across * down), new Uint32Array(across * down)];
  const sums = new Float32Array(shade ? across * down : 0);
  let [most, mostOthers, drawn] = [0, 0, 0];
  for (let i = 0; i < at.cells.length; i++) {
    const cell = at.cells[i];
    if (cell < 0) continue;
    if ((mask !== null && mask[trials ? trials[i] : i] === 0) || (shade && shade[i] !== shade[i])) {
      if (++others[cell] > mostOthers) mostOthers = others[cell];
      continue;
    }
    if (++chosen[cell] > most) most = chosen[cell];
    if (shade) sums[cell] += shade[i];
    drawn++;
  }
  const raster = rasterOf(at, across, down);
  const pixels = new Uint32Array(raster.image.data.buffer);
  const [bright, dim] = [shades(shade ? 255 : most, colours, false), shades(mostOthers, colours, true)];
  const [index, indexOthers] = [shadeIndex(most), shadeIndex(mostOthers)];
  const level = shade
    ? (c: number) => Math.max(1, Math.round((255 * sums[c]) / chosen[c]) || 1)
    : (c: number) => index(chosen[c]);
  for (let c = 0; c < pixels.length; c++)
    pixels[c] = chosen[c] ? bright[level(c)] : others[c] ? dim[indexOthers(others[c])] : 0;
  area.context.imageSmoothingEnabled = false;
  raster.paste(area.context, left - CELL / 2, top - CELL / 2, across * CELL, down * CELL);
  drawEdges(area, at);
  return drawn;
}

function cellsOf({ px, py }: Placed, left: number, top: number, across: number, down: number): Int32Array {
  const cells = new Int32Array(px.length);
  for (let i = 0; i < cells.length; i++) {
    const column = (px[i] - left) / CELL + 0.5;
    const row = (py[i] - top) / CELL + 0.5;
    cells[i] = column >= 0 && row >= 0 && column < across && row < down ? (row | 0) * across + (column | 0) : -1;
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
