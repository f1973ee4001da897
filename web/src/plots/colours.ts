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
    text: of("text"), muted: of("muted"), line: of("line"), grid: of("grid"), panel: of("panel"), accent: of("accent"), hover: of("hover"),
    states: STATES.map((state) => of(`state-${state}`)),
    series: Array.from({ length: 8 }, (_, i) => of(`series-${i + 1}`)),
    dark: of("dark") === "1",
  };
  kept = { at, colours: found };
  return found;
}

// Viridis and cividis in nine steps each; between them is interpolated. On dark ground the dark end would vanish, so it is turned.
const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#fee838"];

/** A colour map from 0 to 1: low values near the ground's colour, high ones far from it. */
export function ramp(share: number, dark: boolean): [number, number, number] {
  const at = Math.min(1, Math.max(0, dark ? share : 1 - share)) * (CIVIDIS.length - 1);
  const i = Math.min(CIVIDIS.length - 2, Math.floor(at));
  const [a, b] = [rgb(CIVIDIS[i]), rgb(CIVIDIS[i + 1])];
  return a.map((v, k) => Math.round(v + (b[k] - v) * (at - i))) as [number, number, number];
}

export function rgb(hex: string): [number, number, number] {
  const n = parseInt(hex.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}
