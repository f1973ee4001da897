// Thousands of marks as pixels: small pictures of a shape are blended into an image, or points are counted per cell.
// A canvas asked to draw each mark takes ten times as long.
import { type Colours, ramp, rgb, STATES } from "./colours.js";

/** A mark's picture: how much of each pixel it covers, around its middle. */
interface Stamp {
  size: number;
  alpha: Uint8Array;
}

const stamps = new Map<string, Stamp>();

/** The shape of a state: ● complete, ▽ pruned, ✕ failed, ◌ running, □ waiting, ‖ paused. */
export function shape(
  context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D,
  state: number,
  x: number,
  y: number,
  r: number,
): void {
  const c = context;
  c.beginPath();
  switch (STATES[state]) {
    case "complete":
      c.arc(x, y, r, 0, 7);
      return c.fill();
    case "pruned":
      c.moveTo(x - r, y - 0.8 * r);
      c.lineTo(x + r, y - 0.8 * r);
      c.lineTo(x, y + r);
      c.closePath();
      return c.stroke();
    case "failed":
      c.moveTo(x - r, y - r);
      c.lineTo(x + r, y + r);
      c.moveTo(x - r, y + r);
      c.lineTo(x + r, y - r);
      return c.stroke();
    case "running":
      for (let i = 0; i < 4; i++) {
        c.moveTo(x + r * Math.cos(i * 1.571 + 0.2), y + r * Math.sin(i * 1.571 + 0.2));
        c.arc(x, y, r, i * 1.571 + 0.2, i * 1.571 + 1.2);
      }
      return c.stroke();
    case "paused":
      c.moveTo(x - r / 2, y - r);
      c.lineTo(x - r / 2, y + r);
      c.moveTo(x + r / 2, y - r);
      c.lineTo(x + r / 2, y + r);
      return c.stroke();
    default:
      c.rect(x - r, y - r, 2 * r, 2 * r);
      return c.stroke();
  }
}

function stamp(state: number, radius: number, ratio: number): Stamp {
  const key = `${state} ${radius} ${ratio}`;
  const known = stamps.get(key);
  if (known) return known;
  const size = 2 * Math.ceil((radius + 1) * ratio) + 1;
  const context = new OffscreenCanvas(size, size).getContext("2d", {
    willReadFrequently: true,
  }) as OffscreenCanvasRenderingContext2D;
  context.lineWidth = 1.3 * ratio;
  shape(context, state, size / 2, size / 2, radius * ratio);
  const { data } = context.getImageData(0, 0, size, size);
  const made = { size, alpha: Uint8Array.from({ length: size * size }, (_, i) => data[4 * i + 3]) };
  stamps.set(key, made);
  return made;
}

/** An image of the size of a plot, in device pixels. */
export class Raster {
  readonly image: ImageData;
  private readonly canvas: OffscreenCanvas;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.image = new ImageData(width, height);
    this.canvas = new OffscreenCanvas(width, height);
  }

  /** Blends the mark of a state at device pixels, in a colour and with an opacity from 0 to 1. */
  mark(
    x: number,
    y: number,
    state: number,
    radius: number,
    ratio: number,
    [red, green, blue]: readonly number[],
    opacity: number,
  ): void {
    const { size, alpha } = stamp(state, radius, ratio);
    const { data } = this.image;
    const [left, top] = [Math.round(x) - (size >> 1), Math.round(y) - (size >> 1)];
    for (let row = Math.max(0, -top); row < size && top + row < this.height; row++)
      for (let column = Math.max(0, -left); column < size && left + column < this.width; column++) {
        const cover = alpha[row * size + column];
        if (cover === 0) continue;
        const a = (cover * opacity) / 255;
        const i = 4 * ((top + row) * this.width + left + column);
        const below = (data[i + 3] / 255) * (1 - a);
        const sum = a + below;
        data[i] = (red * a + data[i] * below) / sum;
        data[i + 1] = (green * a + data[i + 1] * below) / sum;
        data[i + 2] = (blue * a + data[i + 2] * below) / sum;
        data[i + 3] = 255 * sum;
      }
  }

  paste(context: CanvasRenderingContext2D, left: number, top: number, width: number, height: number): void {
    (this.canvas.getContext("2d") as OffscreenCanvasRenderingContext2D).putImageData(this.image, 0, 0);
    context.drawImage(this.canvas, left, top, width, height);
  }
}

/** Colours of counts, by their logarithm: those that are selected in the colours of the map, the others grey. */
export function shades(most: number, palette: Colours, grey: boolean): Uint32Array {
  const table = new Uint32Array(256);
  const [r, g, b] = rgb(palette.muted);
  for (let i = 1; i < 256; i++) {
    const share = most <= 1 ? 1 : i / 255;
    const [red, green, blue] = grey ? [r, g, b] : ramp(0.2 + 0.8 * share, palette.dark);
    const alpha = grey ? 30 + 90 * share : 255;
    table[i] = ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  }
  return table;
}

/** Where a count stands in a table of `shades`. */
export function shadeIndex(most: number): (count: number) => number {
  const factor = 255 / Math.log1p(most);
  return (count) => (count <= 0 ? 0 : Math.max(1, Math.round(Math.log1p(count) * factor)));
}
