// Curves and bands over a common x axis, drawn by uPlot; dragging zooms, a double click shows all again.
import { useEffect, useRef } from "preact/hooks";
import { effect, signal } from "@preact/signals";
import type uPlot from "uplot";
import { hook } from "../hook.js";
import { colours } from "./colours.js";
import { type Axis, extent, padded, scale, told } from "./scale.js";

export interface Series {
  label: string;
  /** One value per x, NaN where there is none. */
  ys: ArrayLike<number>;
  /** A colour of the style sheet's; by default the next one of the eight. */
  colour?: string;
  width?: number;
  dashed?: boolean;
  /** Steps instead of slopes: the value holds until the next x. */
  step?: boolean;
  points?: boolean;
}

/** A filled area between two curves, such as two quantiles. */
export interface BandSeries {
  label: string;
  low: ArrayLike<number>;
  high: ArrayLike<number>;
  colour?: string;
  /** From 0 to 1. */
  opacity?: number;
}

export interface LinesProps {
  x: Axis;
  y: Axis;
  /** Ascending, shared by all series. */
  xs: ArrayLike<number>;
  series: readonly Series[];
  bands?: readonly BandSeries[];
  summary: string;
  name: string;
  height?: number;
  /** Without a legend; the first eight series are told apart by colour and name. */
  legend?: boolean;
  /** The x under the mouse, or null. */
  onHover?: (x: number | null) => void;
}

/** The library comes when the first plot needs it: a page that may show one is there before. */
const library = signal<typeof uPlot | null>(null);
let asked = false;

function ask(): void {
  if (asked) return;
  asked = true;
  void import("uplot").then((module) => (library.value = module.default));
}

const array = (values: ArrayLike<number>): (number | null)[] =>
  Array.from(values, (v) => (Number.isFinite(v) ? v : null));

/** Several curves with x values of their own, brought to one x axis: where a curve has no point it has NaN. */
export function joined(curves: readonly { xs: ArrayLike<number>; ys: ArrayLike<number> }[]): {
  xs: Float64Array;
  ys: Float64Array[];
} {
  const xs = Float64Array.from(new Set(curves.flatMap(({ xs }) => Array.from(xs)))).sort();
  const index = new Map(Array.from(xs, (x, i) => [x, i]));
  const ys = curves.map((curve) => {
    const made = new Float64Array(xs.length).fill(NaN);
    for (let i = 0; i < curve.xs.length; i++) made[index.get(curve.xs[i]) as number] = curve.ys[i];
    return made;
  });
  return { xs, ys };
}

export function Lines(props: LinesProps) {
  const { height = 240, summary, name } = props;
  const host = useRef<HTMLDivElement>(null as never);
  const chart = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = JSON.stringify([
    props.x,
    props.y,
    props.series.map((s) => [s.label, s.colour, s.dashed, s.step]),
    props.bands?.map((b) => b.label),
    height,
    props.legend,
  ]);
  useEffect(() => {
    const element = host.current as HTMLElement | null; // the plot may be gone before its library is here
    if (element === null) return;
    ask();
    const stop = effect(() => {
      const palette = colours();
      if (library.value === null) return;
      const zoom = chart.current && zoomOf(chart.current);
      chart.current?.destroy();
      chart.current = draw(library.value, element, latest.current, palette);
      if (zoom) chart.current.setScale("x", zoom);
    });
    const sizes = new ResizeObserver(([{ contentRect }]) =>
      chart.current?.setSize({ width: Math.max(120, contentRect.width), height }),
    );
    sizes.observe(element);
    return () => {
      stop();
      sizes.disconnect();
      chart.current?.destroy();
      chart.current = null;
    };
  }, [shape]);
  useEffect(() => {
    const made = chart.current;
    if (!made) return;
    const zoom = zoomOf(made);
    made.setData(dataOf(props), zoom === null);
    if (zoom) made.setScale("x", zoom);
    hook.drawn[name] = props.series.length;
  }, [props.xs, props.series, props.bands]);
  return (
    <div
      class="lines"
      data-plot={name}
      role="img"
      aria-label={summary}
      ref={host}
      style={{ minHeight: `${height}px` }}
    />
  );
}

/** The part of x that the user chose; null while all is shown. */
function zoomOf(made: uPlot): { min: number; max: number } | null {
  const { min, max } = made.scales.x;
  const xs = made.data[0];
  if (min === undefined || max === undefined || min === null || max === null || xs.length === 0) return null;
  return min > xs[0] + 1e-9 * Math.abs(xs[0]) || max < xs[xs.length - 1] * (1 - 1e-9) ? { min, max } : null;
}

function dataOf({ xs, series, bands = [] }: LinesProps): uPlot.AlignedData {
  const curves = [...bands.flatMap((b) => [b.high, b.low]), ...series.map((s) => s.ys)];
  return [Array.from(xs), ...curves.map(array)] as uPlot.AlignedData;
}

function draw(plot: typeof uPlot, host: HTMLElement, props: LinesProps, palette: ReturnType<typeof colours>): uPlot {
  const { x, y, series, bands = [], height = 240, legend = true } = props;
  const axis = (of: Axis, gap: number): uPlot.Axis => ({
    label: of.label,
    labelSize: 18,
    labelFont: FONT,
    font: FONT,
    stroke: palette.muted,
    size: gap,
    grid: { stroke: palette.grid, width: 1 },
    ticks: { show: false },
    splits: (_, __, low, high) =>
      scale({ ...of, low, high }, 0, 1)
        .ticks(5)
        .map((t) => t.value),
    values: (_, splits) => {
      const [low, high] = extent(splits);
      const labels = new Map(
        scale({ ...of, low, high: high > low ? high : low + 1 }, 0, 1)
          .ticks(5)
          .map((t) => [t.value, t.label]),
      );
      return splits.map((v) => labels.get(v) ?? told(of, v));
    },
  });
  const [low, high] = [padded(y).low, padded(y).high];
  const lines = series.map((s, i): uPlot.Series => {
    const colour = s.colour ?? palette.series[i % palette.series.length];
    return {
      label: s.label,
      stroke: colour,
      width: s.width ?? 1.5,
      dash: s.dashed ? [5, 4] : undefined,
      spanGaps: true,
      points: { show: s.points ?? false, size: 4, fill: colour },
      paths: s.step ? plot.paths.stepped?.({ align: 1 }) : undefined,
      value: (_, v) => (v === null ? "–" : told(y, v)),
    };
  });
  const edges = bands.flatMap((b): uPlot.Series[] => [
    {
      label: b.label,
      stroke: "transparent",
      width: 0,
      points: { show: false },
      value: (u, v, i) => bandTold(u, v, i, y),
    },
    { label: "", stroke: "transparent", width: 0, points: { show: false }, class: "hidden" },
  ]);
  return new plot(
    {
      width: Math.max(120, host.clientWidth),
      height,
      scales: {
        x: { time: false, distr: x.kind === "log" ? 3 : 1 },
        y: { distr: y.kind === "log" ? 3 : 1, range: () => [low, high] },
      },
      axes: [axis(x, 26), axis(y, 48)],
      series: [{ label: x.label, value: (_, v) => (v === null ? "–" : told(x, v)) }, ...edges, ...lines],
      bands: bands.map((b, i) => ({
        series: [2 * i + 1, 2 * i + 2],
        fill: translucent(b.colour ?? palette.accent, b.opacity ?? 0.2),
      })),
      legend: { show: legend, live: true },
      cursor: { points: { size: 6 }, drag: { x: true, y: false } },
      hooks: { setCursor: [(u) => props.onHover?.(u.cursor.idx == null ? null : u.data[0][u.cursor.idx])] },
    },
    dataOf(props),
    host,
  );
}

const FONT = "11px system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', sans-serif";

function bandTold(u: uPlot, high: number | null, series: number, y: Axis): string {
  const i = u.cursor.idx;
  const low = i == null ? null : u.data[series + 1]?.[i];
  return high === null || low == null ? "–" : `${told(y, low)} to ${told(y, high)}`;
}

const translucent = (colour: string, opacity: number): string =>
  colour.startsWith("#")
    ? `${colour}${Math.round(255 * opacity)
        .toString(16)
        .padStart(2, "0")}`
    : colour;
