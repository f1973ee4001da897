// What all plots of our own have in common: axes, grid, a title for screen readers, the mouse, zoom, and a layer for what is hovered.
import { untracked, useSignalEffect } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { colours, type Colours } from "./colours.js";
import { useSheet } from "./canvas.js";
import { Tip } from "./Tip.js";
import { type Axis, type Scale, scale, sides } from "./scale.js";

/** Where marks are drawn: pixels of the page, the scales already know the margins. */
export interface Area {
  context: CanvasRenderingContext2D;
  x: Scale;
  y: Scale;
  left: number;
  top: number;
  width: number;
  height: number;
  ratio: number;
  colours: Colours;
}

/** Pixels of a mark that stands out; round ones are points. */
export interface Spot {
  left: number;
  top: number;
  width: number;
  height: number;
  round: boolean;
}

export interface Box {
  x: [number, number];
  y: [number, number];
}

/** How a brush changes what is selected: alone, with shift more, with alt less. */
export type BrushMode = "set" | "add" | "remove";

export interface FrameProps {
  x: Axis;
  y: Axis;
  /** One sentence that says what the plot shows, for those who do not see it. */
  summary: string;
  height?: number;
  /** Draws the marks; runs again when the component renders and when a signal moves that it reads. */
  marks: (area: Area) => void;
  /** Draws over the marks, on a canvas of its own, such as a curve that is hovered; runs again when a signal moves that it reads. */
  over?: (area: Area) => void;
  /** The box around what is hovered; runs again when a signal moves that it reads. */
  spot?: (area: Area) => Spot | null;
  /** Which row is at these pixels, -1 for none. */
  hit?: (px: number, py: number, area: Area) => number;
  /** What the tooltip says of a row. */
  label?: (row: number) => string;
  onHover?: (row: number) => void;
  onPick?: (row: number, event: MouseEvent) => void;
  /** With it dragging selects a box in the units of the axes, without it dragging zooms. */
  onBrush?: (box: Box, mode: BrushMode, done: boolean) => void;
  /** A double click; without it the zoom goes back. */
  onReset?: () => void;
  /** Without ticks and labels, for small pictures. */
  bare?: boolean;
  /** A name for tests. */
  name?: string;
}

/** A drag of fewer pixels is a click. */
const CLICK = 4;

interface Drag {
  from: [number, number];
  to: [number, number];
  mode: BrushMode;
}

const isClick = ({ from, to }: Drag): boolean => Math.abs(to[0] - from[0]) < CLICK && Math.abs(to[1] - from[1]) < CLICK;

export function Frame(props: FrameProps) {
  const { height = 220 } = props;
  const [zoom, setZoom] = useState<Box | null>(null);
  const [tip, setTip] = useState<{ row: number; px: number; py: number } | null>(null);
  const drag = useRef<Drag | null>(null);
  const area = useRef<Area | null>(null);
  const host = useRef<HTMLDivElement>(null as never);
  const x = zoom ? zoomed(props.x, zoom.x) : props.x;
  const y = zoom ? zoomed(props.y, zoom.y) : props.y;

  const marks = useSheet(
    (context, width, height, ratio) => {
      const made = layout(context, x, y, width, height, ratio, colours(), props.bare ?? false);
      area.current = made;
      if (!props.bare) drawAxes(made);
      clipped(made, () => props.marks(made));
      untracked(showSpot);
    },
    [props.marks, props.x, props.y, zoom, props.bare],
  );
  const spot = useRef<HTMLSpanElement>(null as never);
  const latest = useRef(props);
  latest.current = props;
  // What is hovered moves by itself: neither the marks nor the component run again.
  const showSpot = () => put(spot.current, area.current && (latest.current.spot?.(area.current) ?? null));
  useSignalEffect(showSpot);

  const place = (event: MouseEvent): [number, number] => {
    const box = host.current.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const brush = (on: Area, drawn: Drag, done: boolean) => {
    if (isClick(drawn)) return;
    if (props.onBrush) props.onBrush(boxOf(on, drawn), drawn.mode, done);
    else if (done) setZoom(boxOf(on, drawn));
  };
  const move = (event: PointerEvent) => {
    const [px, py] = place(event);
    if (drag.current) {
      drag.current.to = [px, py];
      if (area.current && props.onBrush) brush(area.current, drag.current, false);
      return setTip({ row: -1, px, py });
    }
    const row = area.current && props.hit ? props.hit(px, py, area.current) : -1;
    if (row !== (tip?.row ?? -1)) {
      setTip(row < 0 ? null : { row, px, py });
      props.onHover?.(row);
    }
  };
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    const at = place(event);
    drag.current = { from: at, to: at, mode: event.shiftKey ? "add" : event.altKey ? "remove" : "set" };
    host.current.setPointerCapture(event.pointerId);
  };
  const up = (event: PointerEvent) => {
    const done = drag.current;
    drag.current = null;
    setTip(null);
    if (!done || !area.current) return;
    if (!isClick(done)) return brush(area.current, done, true);
    const row = props.hit ? props.hit(...done.to, area.current) : -1;
    if (row >= 0) props.onPick?.(row, event);
  };
  const wheel = (event: WheelEvent) => {
    if (!(event.ctrlKey || event.metaKey) || !area.current) return; // without a key the wheel scrolls the page
    event.preventDefault();
    setZoom(around(area.current, place(event), Math.exp(event.deltaY / 300)));
  };
  const reset = () => {
    setZoom(null);
    props.onReset?.();
  };
  const leave = () => {
    if (drag.current) return;
    setTip(null);
    props.onHover?.(-1);
  };
  const shown = tip && tip.row >= 0 && props.label ? props.label(tip.row) : null;
  return (
    <div
      class="frame"
      ref={host}
      style={{ height: `${height}px` }}
      data-plot={props.name}
      onPointerMove={move}
      onPointerDown={down}
      onPointerUp={up}
      onPointerLeave={leave}
      onDblClick={reset}
      onWheel={wheel}
    >
      <canvas class="sheet" role="img" aria-label={props.summary} ref={marks} />
      {props.over && <Over over={props.over} x={x} y={y} bare={props.bare ?? false} tip={tip} />}
      <span class="spot" aria-hidden="true" ref={spot} />
      {drag.current && !isClick(drag.current) && area.current && (
        <span class="brush" aria-hidden="true" style={brushPlace(area.current, drag.current)} />
      )}
      {zoom && (
        <button type="button" class="chip corner" onClick={() => setZoom(null)}>
          zoomed ✕
        </button>
      )}
      {!zoom && height > 200 && <Outliers axis={props.y} />}
      <Tip text={shown} px={tip?.px ?? 0} py={tip?.py ?? 0} />
    </div>
  );
}

function Over({
  over,
  x,
  y,
  bare,
  tip,
}: {
  over: (area: Area) => void;
  x: Axis;
  y: Axis;
  bare: boolean;
  tip: unknown;
}) {
  const sheet = useSheet(
    (context, width, height, ratio) => {
      const made = layout(context, x, y, width, height, ratio, colours(), bare);
      clipped(made, () => over(made));
    },
    [over, x, y, bare, tip],
  );
  return <canvas class="sheet over" aria-hidden="true" ref={sheet} />;
}

function Outliers({ axis }: { axis: Axis }) {
  if (!axis.outliers) return null;
  return (
    <span class="chip corner" title="They lie beyond the axis, and stand as such marks at its edge.">
      {axis.outliers === 1 ? "1 outlier" : `${axis.outliers} outliers`} {sides(axis)}
    </span>
  );
}

const zoomed = (axis: Axis, [low, high]: [number, number]): Axis =>
  axis.kind === "category" ? axis : { ...axis, low, high, outliers: 0 };

/** The range between two pixels; of options whole ones. */
export function spanned(s: Scale, a: number, b: number): [number, number] {
  const [p, q] = [s.invert(a), s.invert(b)].sort((u, v) => u - v);
  return s.axis.kind === "category" ? [Math.round(p) - 0.5, Math.round(q) + 0.5] : [p, q];
}

/** The box between two corners; a drag along one axis alone takes all of the other. */
function boxOf({ x, y }: Area, { from, to }: Drag): Box {
  return {
    x: Math.abs(to[0] - from[0]) < CLICK ? [-Infinity, Infinity] : spanned(x, from[0], to[0]),
    y: Math.abs(to[1] - from[1]) < CLICK ? [-Infinity, Infinity] : spanned(y, from[1], to[1]),
  };
}

function around({ x, y }: Area, [px, py]: [number, number], factor: number): Box {
  const part = (s: Scale, p: number): [number, number] => {
    const [a, b] = [s.invert(p + (s.from - p) * factor), s.invert(p + (s.to - p) * factor)];
    return a < b ? [a, b] : [b, a];
  };
  return { x: part(x, px), y: part(y, py) };
}

const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', sans-serif";

function layout(
  context: CanvasRenderingContext2D,
  x: Axis,
  y: Axis,
  width: number,
  height: number,
  ratio: number,
  palette: Colours,
  bare: boolean,
): Area {
  context.font = FONT;
  const bottom = bare ? 0 : 34;
  const top = bare ? 0 : 18;
  const tall = Math.max(1, height - top - bottom);
  const labels = bare
    ? []
    : scale(y, tall, 0)
        .ticks(Math.max(2, Math.round(tall / 42)))
        .map((t) => context.measureText(shortened(t.label)).width);
  const left = bare ? 0 : Math.min(width / 3, Math.max(26, ...labels) + 10);
  const right = bare ? 0 : 10;
  const wide = Math.max(1, width - left - right);
  return {
    context,
    left,
    top,
    width: wide,
    height: tall,
    ratio,
    colours: palette,
    x: scale(x, left, left + wide),
    y: scale(y, top + tall, top),
  };
}

const shortened = (label: string, most = 14): string => (label.length > most ? `${label.slice(0, most - 1)}…` : label);

function clipped({ context, left, top, width, height }: Area, work: () => void): void {
  context.save();
  context.beginPath();
  context.rect(left - 3, top - 3, width + 6, height + 6);
  context.clip();
  work();
  context.restore();
}

function drawAxes(area: Area): void {
  const { context: c, x, y, left, top, width, height, colours: palette } = area;
  c.lineWidth = 1;
  c.textBaseline = "middle";
  c.textAlign = "right";
  for (const tick of y.ticks(Math.max(2, Math.round(height / 42)))) {
    const at = Math.round(y.at(tick.value)) + 0.5;
    if (at < top - 1 || at > top + height + 1) continue;
    line(c, palette.grid, left, at, left + width, at);
    c.fillStyle = palette.muted;
    c.fillText(shortened(tick.label), left - 6, at);
  }
  c.textBaseline = "top";
  c.textAlign = "center";
  let free = -Infinity;
  for (const tick of x.ticks(Math.max(2, Math.round(width / 60)))) {
    const at = Math.round(x.at(tick.value)) + 0.5;
    const label = shortened(tick.label);
    const half = c.measureText(label).width / 2;
    const middle = Math.min(Math.max(at, left + half - 8), left + width - half + 10);
    if (at < left - 1 || at > left + width + 1 || middle - half < free) continue;
    free = middle + half + 8;
    line(c, palette.grid, at, top, at, top + height);
    c.fillStyle = palette.muted;
    c.fillText(label, middle, top + height + 4);
  }
  c.fillStyle = palette.text;
  c.textAlign = "right";
  c.fillText(shortened(x.axis.label, Math.max(8, Math.floor(width / 6))), left + width, top + height + 18);
  c.textAlign = "left";
  c.textBaseline = "top";
  c.fillText(shortened(y.axis.label, Math.max(8, Math.floor(width / 6))), 2, 0);
}

function line(c: CanvasRenderingContext2D, colour: string, x0: number, y0: number, x1: number, y1: number): void {
  c.strokeStyle = colour;
  c.beginPath();
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.stroke();
}

function brushPlace({ left, top, width, height }: Area, { from, to }: Drag) {
  const flat = Math.abs(to[1] - from[1]) < CLICK;
  const thin = Math.abs(to[0] - from[0]) < CLICK;
  const [x0, x1] = thin ? [left, left + width] : [from[0], to[0]].sort((a, b) => a - b);
  const [y0, y1] = flat ? [top, top + height] : [from[1], to[1]].sort((a, b) => a - b);
  return { left: `${x0}px`, top: `${y0}px`, width: `${x1 - x0}px`, height: `${y1 - y0}px` };
}

function put(element: HTMLElement | null, spot: Spot | null): void {
  if (!element) return;
  element.hidden = spot === null;
  if (spot === null) return;
  const { left, top, width, height, round } = spot;
  Object.assign(element.style, {
    transform: `translate(${left}px, ${top}px)`,
    width: `${width}px`,
    height: `${height}px`,
    borderRadius: round ? "50%" : "2px",
  });
}
