// Curves with bands around them, each over x values of its own: learning curves, forecasts, what a surrogate believes, runs of studies.
import { useRef } from "preact/hooks";
import { hook } from "../hook.js";
import { visible } from "../format.js";
import { hover } from "../store.js";
import type { Colours } from "./colours.js";
import { type Area, Frame } from "./Frame.js";
import { type Axis, told } from "./scale.js";

/** One of the eight colours that tell series apart, by its place, or a colour of the page's. */
export type Ink = number | "text" | "muted" | "accent";

export interface Curve {
  label: string;
  /** Ascending. */
  xs: ArrayLike<number>;
  /** NaN where there is none; the line goes on to the next value. */
  ys: ArrayLike<number>;
  ink: Ink;
  width?: number;
  dashed?: boolean;
  /** The value holds until the next x. */
  step?: boolean;
  /** Dots at the values: "alone" without a line between them, as for options. */
  dots?: "also" | "alone";
  /** The trial that it is of: hovered with it in all plots. */
  trial?: number;
  /** What the legend calls it, where that is not its label; null keeps it out. */
  named?: string | null;
}

/** The area between two curves; of categories, an interval at each. */
export interface Ribbon {
  xs: ArrayLike<number>;
  low: ArrayLike<number>;
  high: ArrayLike<number>;
  ink: Ink;
  /** From 0 to 1. */
  opacity?: number;
  step?: boolean;
  /** In the legend, with a name. */
  label?: string;
}

export interface RibbonsProps {
  x: Axis;
  y: Axis;
  curves: readonly Curve[];
  ribbons?: readonly Ribbon[];
  /** How near data are, from 0 to 1, at each of `xs`: where there are none, the ground is grey. */
  support?: { xs: ArrayLike<number>; share: ArrayLike<number> };
  summary: string;
  name: string;
  height?: number;
  legend?: boolean;
  onPick?: (trial: number) => void;
}

const NEAR = 10;
const POINTS = 1 << 16; // a curve's number and a point's in one

export function Ribbons(props: RibbonsProps) {
  const y = { ...props.y, outliers: 0 }; // a curve that leaves the plot is seen to leave it
  const { x, curves, ribbons = [], support, summary, name, height, onPick } = props;
  const hovered = useRef(-1);
  const marks = (area: Area) => {
    if (support) drawSupport(area, support);
    for (const ribbon of ribbons) (x.kind === "category" ? drawIntervals : drawRibbon)(area, ribbon);
    for (const curve of curves) drawCurve(area, curve);
    hook.drawn[name] = curves.length;
  };
  const over = (area: Area) => {
    for (const [i, curve] of curves.entries())
      if (i === hovered.current || (curve.trial !== undefined && curve.trial === hover.value))
        drawCurve(area, { ...curve, width: 3 }, area.colours.hover);
  };
  const hit = (px: number, py: number, area: Area) => nearest(curves, px, py, area);
  const onHover = (code: number) => {
    hovered.current = code < 0 ? -1 : Math.floor(code / POINTS);
    hover.value = (code < 0 ? undefined : curves[hovered.current].trial) ?? -1;
  };
  const label = (code: number) => {
    const [curve, i] = [curves[Math.floor(code / POINTS)], code % POINTS];
    return `${visible(curve.label)} · ${x.label} ${told(x, curve.xs[i])}: ${told(y, curve.ys[i])}`;
  };
  const pick = (code: number) => {
    const { trial } = curves[Math.floor(code / POINTS)];
    if (trial !== undefined) onPick?.(trial);
  };
  return (
    <>
      <Frame {...{ x, y, summary, name, height, marks, over, hit, label, onHover }} onPick={pick} />
      {(props.legend ?? true) && <Names curves={curves} ribbons={ribbons} />}
    </>
  );
}

const LISTED = 12;

function Names({ curves, ribbons }: { curves: readonly Curve[]; ribbons: readonly Ribbon[] }) {
  const named = [
    ...ribbons.flatMap((r) =>
      r.label ? [{ label: r.label, ink: r.ink, shape: "area", opacity: 2 * (r.opacity ?? 0.2) }] : [],
    ),
    ...curves.flatMap(({ label, ink, named, dashed, dots }) =>
      named === null
        ? []
        : [{ label: named ?? label, ink, opacity: 1, shape: dots === "alone" ? "dot" : dashed ? "dashed" : "" }],
    ),
  ];
  if (named.length < 2) return null;
  return (
    <ul class="names">
      {named.slice(0, LISTED).map(({ label, ink, shape, opacity }, i) => (
        <li key={i}>
          <span class={`swatch ${shape}`} aria-hidden="true" style={{ color: css(ink), opacity }} />
          {visible(label)}
        </li>
      ))}
      {named.length > LISTED && <li class="note">and {named.length - LISTED} more</li>}
    </ul>
  );
}

const css = (ink: Ink): string => (typeof ink === "number" ? `var(--series-${(ink % 8) + 1})` : `var(--${ink})`);
const paint = (ink: Ink, palette: Colours): string =>
  typeof ink === "number" ? palette.series[ink % palette.series.length] : palette[ink];

function drawCurve(area: Area, curve: Curve, colour = paint(curve.ink, area.colours)): void {
  const { context: c, x, y } = area;
  const { xs, ys, width = 1.5, dashed, step, dots } = curve;
  Object.assign(c, { strokeStyle: colour, fillStyle: colour, lineWidth: width, lineJoin: "round" });
  if (dots !== "alone") {
    c.setLineDash(dashed ? [5, 4] : []);
    c.beginPath();
    trace(area, xs, ys, step ?? false);
    c.stroke();
    c.setLineDash([]);
  }
  const only = xs.length === 1 ? "also" : dots;
  for (let i = 0; only && i < xs.length; i++) {
    c.beginPath();
    c.arc(x.at(xs[i]), y.at(ys[i]), width + 1.5, 0, 7);
    if (Number.isFinite(ys[i])) c.fill();
  }
}

/** Goes through finite values, over those that are not. */
function trace(
  { context: c, x, y }: Area,
  xs: ArrayLike<number>,
  ys: ArrayLike<number>,
  step: boolean,
  backwards = false,
): void {
  let last = NaN;
  for (let k = 0; k < xs.length; k++) {
    const i = backwards ? xs.length - 1 - k : k;
    if (!Number.isFinite(ys[i])) continue;
    const [px, py] = [x.at(xs[i]), y.at(ys[i])];
    if (step && backwards && i + 1 < xs.length) c.lineTo(x.at(xs[i + 1]), py);
    else if (step && !backwards && Number.isFinite(last)) c.lineTo(px, last);
    c.lineTo(px, py); // the first one of a path only moves there
    last = py;
  }
}

function drawRibbon(area: Area, { xs, low, high, ink, opacity = 0.2, step = false }: Ribbon): void {
  const c = area.context;
  c.fillStyle = paint(ink, area.colours);
  c.globalAlpha = opacity;
  c.beginPath();
  trace(area, xs, high, step);
  trace(area, xs, low, step, true);
  c.fill();
  c.globalAlpha = 1;
}

function drawIntervals({ context: c, x, y, colours }: Area, { xs, low, high, ink }: Ribbon): void {
  c.strokeStyle = paint(ink, colours);
  c.lineWidth = 1.5;
  for (let i = 0; i < xs.length; i++) {
    if (!Number.isFinite(low[i] + high[i])) continue;
    const [at, a, b] = [x.at(xs[i]), y.at(low[i]), y.at(high[i])];
    c.beginPath();
    for (const end of [a, b]) {
      c.moveTo(at - 5, end);
      c.lineTo(at + 5, end);
    }
    c.moveTo(at, a);
    c.lineTo(at, b);
    c.stroke();
  }
}

function drawSupport(
  { context: c, x, left, top, width, height, colours }: Area,
  { xs, share }: { xs: ArrayLike<number>; share: ArrayLike<number> },
): void {
  const at = Array.from(xs, (v) => x.at(v));
  const edge = (i: number) => (i <= 0 ? left : i >= at.length ? left + width : (at[i - 1] + at[i]) / 2);
  c.fillStyle = colours.muted;
  for (let i = 0; i < at.length; i++) {
    c.globalAlpha = 0.28 * (1 - Math.min(1, Math.max(0, share[i])));
    c.fillRect(edge(i), top, edge(i + 1) - edge(i), height);
  }
  c.globalAlpha = 1;
}

/** The curve that passes nearest above or below, and its point that is nearest beside; -1 where none is near. */
function nearest(curves: readonly Curve[], px: number, py: number, { x, y }: Area): number {
  let [found, least] = [-1, NEAR];
  for (const [k, { xs, ys, dots, step }] of curves.entries()) {
    let before = -1;
    for (let i = 0; i < xs.length; i++) {
      if (!Number.isFinite(ys[i])) continue;
      const [bx, by] = [x.at(xs[i]), y.at(ys[i])];
      let distance = Math.hypot(bx - px, by - py);
      if (before >= 0 && dots !== "alone") {
        const [ax, ay] = [x.at(xs[before]), y.at(ys[before])];
        if (ax <= px && px <= bx)
          distance = Math.min(distance, Math.abs((step ? ay : ay + ((by - ay) * (px - ax)) / (bx - ax || 1)) - py));
        if (distance < least)
          [found, least] = [k * POINTS + (px - ax < bx - px || (step && px < bx) ? before : i), distance];
      } else if (distance < least) [found, least] = [k * POINTS + i, distance];
      before = i;
    }
  }
  return found;
}
