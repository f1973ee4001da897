// The colours of the style sheet, for canvases; read again when the theme changes.
import { signal } from "@preact/signals";

export const STATES = ["running", "complete", "pruned", "failed", "waiting", "paused"] as const;
export type State = (typeof STATES)[number];

export interface Colours {
  text: string;
  muted: string;
  line: string;
  grid: string;
  panel: string;
  accent: string;
  hover: string;
  /** Of TrialState's numbers: running, complete, pruned, failed, waiting, paused. */
  states: readonly string[];
  /** Eight to tell series apart, safe for the colour-blind. */
  series: readonly string[];
  dark: boolean;
}

/** Counts the changes of theme: who draws reads it, and draws again. */
export const themed = signal(0);

let kept: { at: number; colours: Colours } | null = null;

export function colours(): Colours {
  const at = themed.value;
  if (kept?.at === at) return kept.colours;
  const style = getComputedStyle(document.documentElement);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const found: Colours = {
    text: of("text"),
    muted: of("muted"),
    line: of("line"),
    grid: of("grid"),
    panel: of("panel"),
    accent: of("accent"),
    hover: of("hover"),
    states: STATES.map((state) => of(`state-${state}`)),
    series: Array.from({ length: 8 }, (_, i) => of(`series-${i + 1}`)),
    dark: of("dark") === "1",
  };
  kept = { at, colours: found };
  return found;
}

// Viridis in nine steps; between them is interpolated.
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"].map(
  rgb,
);

/** A colour map from 0 to 1: low values near the ground's colour, high ones far from it, in light and in dark. */
export function ramp(share: number, dark: boolean): [number, number, number] {
  const at = Math.min(1, Math.max(0, dark ? share : 1 - share)) * (VIRIDIS.length - 1);
  const i = Math.min(VIRIDIS.length - 2, Math.floor(at));
  const [a, b] = [VIRIDIS[i], VIRIDIS[i + 1]];
  return a.map((v, k) => Math.round(v + (b[k] - v) * (at - i))) as [number, number, number];
}

export function rgb(hex: string): [number, number, number] {
  const n = parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}
