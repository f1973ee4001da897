// Parallel coordinates: one vertical axis per column, one line per trial. Few are strokes, many a density of lines.
import { useRef, useState } from "preact/hooks";
import { hook } from "../hook.js";
import { type Brush, selection } from "../selection.js";
import { hover } from "../store.js";
import { useSheet } from "./canvas.js";
import { colours, type Colours, ramp } from "./colours.js";
import { type BrushMode, spanned } from "./Frame.js";
import { Grid } from "./grid.js";
import { Raster, shadeIndex, shades } from "./raster.js";
import { type Axis, type Scale, scale } from "./scale.js";
import { Tip } from "./Tip.js";
import { visible } from "../format.js";

export interface ParallelAxis {
  key: string;
  axis: Axis;
  /** One per trial; NaN (inactive) goes to a place of its own below the axis. */
  values: ArrayLike<number>;
}

export interface ParallelProps {
  axes: readonly ParallelAxis[];
  summary: string;
  name: string;
  height?: number;
  /** How good each trial is, from 0 to 1; NaN is unknown. Without it all are as good. */
  shade?: ArrayLike<number>;
  brushes?: readonly Brush[];
  /** Dragging along an axis selects a range of it. */
  onBrush?: (key: string, range: [number, number], mode: BrushMode, done: boolean) => void;
  /** A double click on an axis, or its name. */
  onReset?: (key: string) => void;
  onPick?: (trial: number) => void;
  label?: (trial: number) => string;
}

const TOP = 30;
const BOTTOM = 26;
const SIDE = 44;
/** Up to so many lines are strokes in the colour of their value. */
export const STROKES = 1200;
const BINS = 72;

interface Layout {
  xs: number[];
  scales: Scale[];
  bottom: number;
  inactive: number;
}

function layout(axes: readonly ParallelAxis[], width: number, height: number): Layout {
  const gap = axes.length > 1 ? (width - 2 * SIDE) / (axes.length - 1) : 0;
  const bottom = height - BOTTOM;
  return {
    xs: axes.map((_, i) => SIDE + i * gap),
    scales: axes.map(({ axis }) => scale(axis, bottom, TOP)),
    bottom,
    inactive: height - 10,
  };
}

interface Placed {
  key: unknown[];
  /** Pixels of the trials on each axis, once somebody asks. */
  ys: (axis: number) => Float32Array;
  grids: (Grid | null)[];
  /** Of many trials: the bin of each on each axis, and how many lines cross each pixel. */
  bins: Uint8Array[] | null;
  all: Float32Array | null;
  raster: Raster | null;
}

export function Parallel(props: ParallelProps) {
  const { axes, height = 260, onBrush, onReset, onPick, label, summary, name } = props;
  const placed = useRef<Placed | null>(null);
  const at = useRef<Layout | null>(null);
  const host = useRef<HTMLDivElement>(null as never);
  const drag = useRef<{ axis: number; from: number; mode: BrushMode } | null>(null);
  const [tip, setTip] = useState<{ text: string; px: number; py: number } | null>(null);
  // Narrow screens scroll the plot in its own box, so that axes keep their room.
  const wide = `${Math.max(2, axes.length) * 72}px`;

  const marks = useSheet(
    (context, width, height) => {
      const l = (at.current = layout(axes, width, height));
      placed.current = place(placed.current, axes, l);
      const { mask, count } = selection.value;
      const palette = colours();
      hook.drawn[name] = count;
      const n = axes[0]?.values.length ?? 0;
      if (n <= STROKES)
        strokes(
          context,
          axes.map((_, k) => (placed.current as Placed).ys(k)),
          l,
          mask,
          palette,
          props.shade,
        );
      else density(context, placed.current, axes, l, mask, palette, Math.ceil(width), Math.ceil(height));
      axesOver(context, axes, l, palette);
    },
    [axes, props.shade],
  );
  const over = useSheet(
    (context, width, height) => {
      const l = layout(axes, width, height);
      const palette = colours();
      for (const brush of props.brushes ?? []) drawBrush(context, brush, axes, l, palette);
      const row = hover.value;
      if (row < 0 || row >= (axes[0]?.values.length ?? 0)) return;
      context.strokeStyle = palette.hover;
      context.lineWidth = 2;
      stroke(
        context,
        axes.map(({ values }, k) => heights([values[row]], l, l.scales[k])),
        l.xs,
        0,
      );
    },
    [axes, props.brushes],
  );

  const pixels = (event: MouseEvent): [number, number] => {
    const box = host.current.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const nearestAxis = (px: number): number => {
    const xs = at.current?.xs ?? [];
    const i = xs.reduce((best, x, k) => (Math.abs(x - px) < Math.abs(xs[best] - px) ? k : best), 0);
    return Math.abs((xs[i] ?? Infinity) - px) < 16 ? i : -1;
  };
  const range = (axis: number, a: number, b: number) => spanned((at.current as Layout).scales[axis], a, b);
  const rowAt = (px: number, py: number): number => {
    const axis = nearestAxis(px);
    const p = placed.current;
    if (axis < 0 || !p || !at.current) return -1;
    const { mask } = selection.peek();
    const grid = (p.grids[axis] ??= new Grid(
      new Float32Array(p.ys(axis).length),
      p.ys(axis),
      1,
      at.current.inactive + 20,
    ));
    return grid.nearest(0, py, 6, mask ? (i) => mask[i] === 1 : undefined);
  };
  const move = (event: PointerEvent) => {
    const [px, py] = pixels(event);
    if (drag.current && onBrush)
      return onBrush(
        axes[drag.current.axis].key,
        range(drag.current.axis, drag.current.from, py),
        drag.current.mode,
        false,
      );
    const row = rowAt(px, py);
    hover.value = row;
    setTip(row >= 0 && label ? { text: label(row), px, py } : null);
  };
  const down = (event: PointerEvent) => {
    const [px, py] = pixels(event);
    const axis = nearestAxis(px);
    if (event.button !== 0 || axis < 0 || !onBrush) return;
    drag.current = { axis, from: py, mode: event.shiftKey ? "add" : event.altKey ? "remove" : "set" };
    host.current.setPointerCapture(event.pointerId);
  };
  const up = (event: PointerEvent) => {
    const [px, py] = pixels(event);
    const done = drag.current;
    drag.current = null;
    if (done && onBrush && Math.abs(py - done.from) >= 4)
      return onBrush(axes[done.axis].key, range(done.axis, done.from, py), done.mode, true);
    const row = rowAt(px, py);
    if (row >= 0) onPick?.(row);
  };
  const leave = () => {
    if (drag.current) return;
    hover.value = -1;
    setTip(null);
  };
  const reset = (event: MouseEvent) => {
    const axis = nearestAxis(pixels(event)[0]);
    if (axis >= 0) onReset?.(axes[axis].key);
  };
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label={`${summary} (scrolls sideways on narrow screens)`}>
      <div
        class="frame parallel"
        ref={host}
        style={{ height: `${height}px`, minWidth: wide }}
        data-plot={name}
        onPointerMove={move}
        onPointerDown={down}
        onPointerUp={up}
        onPointerLeave={leave}
        onDblClick={reset}
      >
        <canvas class="sheet" role="img" aria-label={summary} ref={marks} />
        <canvas class="sheet over" aria-hidden="true" ref={over} />
        <Tip text={tip?.text ?? null} px={tip?.px ?? 0} py={tip?.py ?? 0} />
      </div>
    </div>
  );
}

function place(before: Placed | null, axes: readonly ParallelAxis[], l: Layout): Placed {
  const key = [
    l.bottom,
    l.xs[l.xs.length - 1],
    ...axes.flatMap(({ values, axis }) => [values, axis.low, axis.high, axis.kind]),
  ];
  if (before && key.length === before.key.length && key.every((part, i) => part === before.key[i])) return before;
  const known: Float32Array[] = [];
  const ys = (k: number) => (known[k] ??= heights(axes[k].values, l, l.scales[k]));
  return { key, ys, grids: axes.map(() => null), bins: null, all: null, raster: before?.raster ?? null };
}

function heights(values: ArrayLike<number>, l: Layout, s: Scale): Float32Array {
  const made = new Float32Array(values.length);
  const [least, most] = [TOP - 3, l.bottom + 3];
  for (let i = 0; i < made.length; i++) {
    const y = s.at(values[i]);
    made[i] = y !== y ? l.inactive : y < least ? least : y > most ? most : y;
  }
  return made;
}

function stroke(c: CanvasRenderingContext2D, ys: readonly Float32Array[], xs: readonly number[], row: number): void {
  c.beginPath();
  for (let k = 0; k < xs.length; k++) k === 0 ? c.moveTo(xs[k], ys[k][row]) : c.lineTo(xs[k], ys[k][row]);
  c.stroke();
}

function strokes(
  c: CanvasRenderingContext2D,
  ys: readonly Float32Array[],
  l: Layout,
  mask: Uint8Array | null,
  palette: Colours,
  shade: ArrayLike<number> | undefined,
): void {
  const n = ys[0]?.length ?? 0;
  c.lineWidth = 1;
  c.globalAlpha = 0.18;
  c.strokeStyle = palette.muted;
  if (mask) for (let row = 0; row < n; row++) if (mask[row] === 0) stroke(c, ys, l.xs, row);
  c.globalAlpha = n > 300 ? 0.55 : 0.85;
  c.lineWidth = n > 300 ? 1 : 1.4;
  const share = (row: number) => (shade ? shade[row] : 1);
  // The best ones lie on top.
  const order = Array.from({ length: n }, (_, row) => row)
    .filter((row) => !mask || mask[row] === 1)
    .sort((a, b) => (share(a) || 0) - (share(b) || 0));
  for (const row of order) {
    c.strokeStyle = Number.isNaN(share(row))
      ? palette.muted
      : `rgb(${ramp(0.1 + 0.9 * share(row), palette.dark).join(" ")})`;
    stroke(c, ys, l.xs, row);
  }
  c.globalAlpha = 1;
}

/** Lines between two axes are counted per pair of bins, and each pair is drawn once: the cost does not grow with the trials. */
function density(
  c: CanvasRenderingContext2D,
  at: Placed,
  axes: readonly ParallelAxis[],
  l: Layout,
  mask: Uint8Array | null,
  palette: Colours,
  wide: number,
  tall: number,
): void {
  at.bins ??= axes.map(({ values }, k) => binned(values, l.scales[k]));
  at.all ??= raked(at.bins, null, l, wide, tall);
  const chosen = mask ? raked(at.bins, mask, l, wide, tall) : at.all;
  if (at.raster?.width !== wide || at.raster.height !== tall) at.raster = new Raster(wide, tall);
  const pixels = new Uint32Array(at.raster.image.data.buffer);
  const [most, mostOfAll] = [greatest(chosen), greatest(at.all)];
  const [bright, dim] = [shades(most, palette, false), shades(mostOfAll, palette, true)];
  const [index, indexOfAll] = [shadeIndex(most), shadeIndex(mostOfAll)];
  for (let i = 0; i < pixels.length; i++)
    pixels[i] = chosen[i] > 0 ? bright[index(chosen[i])] : at.all[i] > 0 ? dim[indexOfAll(at.all[i])] : 0;
  at.raster.paste(c, 0, 0, wide, tall);
}

function binned(values: ArrayLike<number>, { axis }: Scale): Uint8Array {
  const made = new Uint8Array(values.length);
  const s = scale(axis, BINS, 0); // the first bin is on top
  for (let i = 0; i < made.length; i++) {
    const bin = s.at(values[i]);
    made[i] = bin !== bin ? BINS : bin < 0 ? 0 : bin >= BINS ? BINS - 1 : bin;
  }
  return made;
}

const WIDE = BINS + 1;

/** How many lines of the selected trials cross each pixel. */
function raked(
  bins: readonly Uint8Array[],
  mask: Uint8Array | null,
  l: Layout,
  wide: number,
  tall: number,
): Float32Array {
  const into = new Float32Array(wide * tall);
  for (let k = 0; k + 1 < bins.length; k++) {
    const pairs = new Uint32Array(WIDE * WIDE);
    const [a, b] = [bins[k], bins[k + 1]];
    if (mask) for (let i = 0; i < a.length; i++) pairs[a[i] * WIDE + b[i]] += mask[i];
    else for (let i = 0; i < a.length; i++) pairs[a[i] * WIDE + b[i]]++;
    rake(into, wide, pairs, l, l.xs[k], l.xs[k + 1]);
  }
  return into;
}

/** Adds each pair's line to the pixels that it crosses: one per column of pixels, of steep lines one per row. */
function rake(into: Float32Array, wide: number, pairs: Uint32Array, l: Layout, from: number, to: number): void {
  const y = (bin: number) => (bin === BINS ? l.inactive : TOP + ((bin + 0.5) / BINS) * (l.bottom - TOP));
  const [first, last] = [Math.round(from), Math.min(wide - 1, Math.round(to))];
  for (let p = 0; p < pairs.length; p++) {
    const n = pairs[p];
    if (n === 0) continue;
    const [start, end] = [y(Math.floor(p / WIDE)), y(p % WIDE)];
    const steps = Math.max(last - first, Math.abs(end - start)) | 0;
    const [across, down] = [(last - first) / steps, (end - start) / steps];
    let [px, py] = [first + 0.5, start + 0.5];
    for (let k = 0; k < steps; k++) {
      into[(py | 0) * wide + (px | 0)] += n;
      px += across;
      py += down;
    }
  }
}

function greatest(values: Float32Array): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) if (values[i] > most) most = values[i];
  return most;
}

function axesOver(c: CanvasRenderingContext2D, axes: readonly ParallelAxis[], l: Layout, palette: Colours): void {
  c.font = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', sans-serif";
  axes.forEach(({ axis }, k) => {
    const x = Math.round(l.xs[k]) + 0.5;
    c.strokeStyle = palette.line;
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(x, TOP);
    c.lineTo(x, l.bottom);
    c.stroke();
    c.fillStyle = palette.text;
    c.textAlign = "center";
    c.textBaseline = "alphabetic";
    c.fillText(
      clip(c, visible(axis.label), k % 2 === 0 || axes.length < 9 ? 84 : 76),
      x,
      k % 2 === 0 || axes.length < 9 ? 11 : 24,
    );
    c.textAlign = "left";
    c.textBaseline = "middle";
    for (const tick of l.scales[k].ticks(5)) {
      const y = l.scales[k].at(tick.value);
      if (y < TOP - 1 || y > l.bottom + 1) continue;
      halo(c, clip(c, tick.label, 60), x + 4, y, palette);
    }
  });
}

function halo(c: CanvasRenderingContext2D, text: string, x: number, y: number, palette: Colours): void {
  c.lineWidth = 3;
  c.strokeStyle = palette.panel;
  c.lineJoin = "round";
  c.strokeText(text, x, y);
  c.fillStyle = palette.text;
  c.fillText(text, x, y);
}

function clip(c: CanvasRenderingContext2D, text: string, width: number): string {
  let cut = text;
  while (cut.length > 1 && c.measureText(cut).width > width) cut = cut.slice(0, -1);
  return cut === text ? text : `${cut.slice(0, -1)}…`;
}

function drawBrush(
  c: CanvasRenderingContext2D,
  brush: Brush,
  axes: readonly ParallelAxis[],
  l: Layout,
  palette: Colours,
): void {
  const k = brush.keys.length === 1 ? axes.findIndex(({ key }) => key === brush.keys[0]) : -1;
  if (k < 0 || brush.mode === "remove") return;
  const s = l.scales[k];
  const [a, b] = brush.ranges[0].map((v) => Math.min(l.bottom, Math.max(TOP, s.at(v) || (v > 0 ? TOP : l.bottom))));
  c.fillStyle = `${palette.accent}33`;
  c.strokeStyle = palette.accent;
  c.lineWidth = 1.5;
  c.fillRect(l.xs[k] - 7, Math.min(a, b), 14, Math.abs(a - b));
  c.strokeRect(l.xs[k] - 7, Math.min(a, b), 14, Math.abs(a - b));
}
