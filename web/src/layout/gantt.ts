// Spans of time in lanes, as they are drawn: one bar each or, where these would hide one another, how much of each pixel they cover.

export interface Spans {
  /** The row that each span is drawn in. */
  lane: ArrayLike<number>;
  from: ArrayLike<number>;
  to: ArrayLike<number>;
  /** A class of each span, a small number: colours differ by it. */
  states: ArrayLike<number>;
}

/** Whether so many spans are in view that bars would hide one another: fewer than three pixels for each. */
export function crowded({ from, to }: Spans, low: number, high: number, width: number, lanes: number): boolean {
  let seen = 0;
  for (let i = 0; i < from.length; i++) if (to[i] >= low && from[i] <= high) seen++;
  return seen * 3 > width * lanes;
}

/** How many spans of each state cover each pixel on average: `[lane][state][pixel]`, flat; one pass over spans. */
export function coverage(
  { lane, from, to, states }: Spans,
  low: number,
  high: number,
  width: number,
  lanes: number,
  kinds: number,
): Float32Array {
  const step = width + 1; // a difference needs one place more than there are pixels
  const whole = new Float32Array(lanes * kinds * step); // changes of the count of spans that cover a pixel whole
  const part = new Float32Array(lanes * kinds * width); // what the ends of spans cover of theirs
  const scale = width / (high - low);
  for (let i = 0; i < from.length; i++) {
    const a = Math.max(0, (from[i] - low) * scale);
    const b = Math.min(width, (to[i] - low) * scale);
    if (!(b > a)) continue;
    const row = lane[i] * kinds + states[i];
    const first = Math.floor(a);
    const last = Math.min(width - 1, Math.floor(b));
    if (first === last) part[row * width + first] += b - a;
    else {
      part[row * width + first] += first + 1 - a;
      part[row * width + last] += b - last;
      whole[row * step + first + 1] += 1;
      whole[row * step + last] -= 1;
    }
  }
  for (let row = 0; row < lanes * kinds; row++) {
    let covered = 0;
    for (let x = 0; x < width; x++) {
      covered += whole[row * step + x];
      part[row * width + x] += covered;
    }
  }
  return part;
}

/** The span at a time in a lane, or as near as `slack`; of several the one that began last. −1 where there is none. */
export function spanAt({ lane, from, to }: Spans, wanted: number, time: number, slack = 0): number {
  let found = -1;
  for (let i = 0; i < from.length; i++) {
    if (lane[i] !== wanted || time < from[i] - slack || time > to[i] + slack) continue;
    if (found < 0 || from[i] > from[found]) found = i;
  }
  return found;
}

/**
 * Where a picture of the time ends: after all that is over, with a tenth more. What still runs may go on beyond it, or
 * a trial whose worker vanished a year ago would leave the rest no room.
 */
export function horizon({ from, to, states }: Omit<Spans, "lane">, running: number): number {
  let [last, over] = [0, 0];
  for (let i = 0; i < from.length; i++) {
    last = Math.max(last, to[i]);
    over = Math.max(over, states[i] === running ? from[i] : to[i]);
  }
  return over > 0 ? Math.min(last, 1.1 * over) : last;
}
