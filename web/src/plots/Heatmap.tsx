// Values over a grid, as colours: what a surrogate believes. Where no data are it is grey, and looks as little sure as it is.
import { hook } from "../hook.js";
import { number } from "../format.js";
import { ramp, rgb } from "./colours.js";
import { type Area, Frame } from "./Frame.js";
import { Ramp } from "./Ramp.js";
import { type Axis, extent, scale, told } from "./scale.js";

export interface HeatmapProps {
  x: Axis;
  y: Axis;
  /** Centres of the cells, ascending in pixels of their axis. */
  xs: ArrayLike<number>;
  ys: ArrayLike<number>;
  /** `values[row of y][column of x]`, NaN for none. */
  values: readonly ArrayLike<number>[];
  /** From 0 (no data near) to 1, in the same shape. */
  support?: readonly ArrayLike<number>[];
  /** What the values are, for the legend. */
  label: string;
  summary: string;
  name: string;
  height?: number;
  /** Trials over it. */
  points?: { xs: ArrayLike<number>; ys: ArrayLike<number> };
  format?: (value: number) => string;
  onPick?: (column: number, row: number) => void;
}

export function Heatmap(props: HeatmapProps) {
  const { x, y, xs, ys, values, support, label, summary, name, height, points, format = number } = props;
  const near = values.flatMap((row, j) => Array.from(row).filter((_, i) => !support || support[j][i] > 0)); // guesses do not stretch the scale
  const [low, high] = extent(near.length > 0 ? near : values.flatMap((row) => Array.from(row)));
  const across = xs.length;
  const marks = (area: Area) => {
    const [columns, rows] = [edges(xs, area.x), edges(ys, area.y)];
    const palette = area.colours;
    const grey = rgb(palette.grid);
    const c = area.context;
    for (let j = 0; j < ys.length; j++)
      for (let i = 0; i < across; i++) {
        const v = values[j][i];
        if (!Number.isFinite(v)) continue;
        const sure = support ? Math.min(1, Math.max(0, support[j][i])) : 1;
        const colour = ramp(high > low ? (v - low) / (high - low) : 0.5, palette.dark).map((p, k) =>
          Math.round(grey[k] + (p - grey[k]) * sure),
        );
        c.fillStyle = `rgb(${colour.join(" ")})`;
        const [left, top] = [Math.min(columns[i], columns[i + 1]), Math.min(rows[j], rows[j + 1])];
        c.fillRect(left, top, Math.abs(columns[i + 1] - columns[i]) + 0.5, Math.abs(rows[j + 1] - rows[j]) + 0.5);
      }
    if (points) drawPoints(area, points);
    hook.drawn[name] = across * ys.length;
  };
  const cell = (px: number, py: number, area: Area) => {
    const [i, j] = [between(edges(xs, area.x), px), between(edges(ys, area.y), py)];
    return i < 0 || j < 0 ? -1 : j * across + i;
  };
  const tell = (k: number) => {
    const [i, j] = [k % across, Math.floor(k / across)];
    const known = support && support[j][i] < 0.2 ? " (no data near)" : "";
    return `${x.label} ${told(x, xs[i])}, ${y.label} ${told(y, ys[j])}: ${format(values[j][i])}${known}`;
  };
  const pick = (k: number) => props.onPick?.(k % across, Math.floor(k / across));
  return (
    <div class="heatmap">
      <Frame {...{ x, y, summary, name, height, marks }} hit={cell} label={tell} onPick={pick} />
      <Legend {...{ low, high, label, format }} grey={support !== undefined} />
    </div>
  );
}

function Legend({
  low,
  high,
  label,
  format,
  grey,
}: {
  low: number;
  high: number;
  label: string;
  format: (v: number) => string;
  grey: boolean;
}) {
  return (
    <p class="legend">
      <span>{label}</span> <Ramp from={format(low)} to={format(high)} />
      {grey && <span class="legend-grey">grey: no data near</span>}
    </p>
  );
}

/** Pixels between the cells: half-way between centres, and as far beyond the first and the last. */
function edges(centres: ArrayLike<number>, s: ReturnType<typeof scale>): number[] {
  const at = Array.from(centres, (v) => s.at(v));
  if (at.length === 1) return [s.from, s.to];
  const inner = at.slice(1).map((p, i) => (p + at[i]) / 2);
  return [2 * at[0] - inner[0], ...inner, 2 * at[at.length - 1] - inner[inner.length - 1]];
}

const between = (all: number[], pixel: number): number =>
  all.findIndex(
    (edge, i) => i + 1 < all.length && pixel >= Math.min(edge, all[i + 1]) && pixel < Math.max(edge, all[i + 1]),
  );

function drawPoints(
  { context: c, x, y, colours: palette }: Area,
  { xs, ys }: { xs: ArrayLike<number>; ys: ArrayLike<number> },
): void {
  c.fillStyle = palette.text;
  c.strokeStyle = palette.panel;
  c.lineWidth = 1;
  for (let i = 0; i < xs.length; i++) {
    c.beginPath();
    c.arc(x.at(xs[i]), y.at(ys[i]), 2, 0, 7);
    c.fill();
    c.stroke();
  }
}
