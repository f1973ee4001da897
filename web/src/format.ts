// How numbers, times and ticks are written: four significant digits, no locale, and never 0.000100.

const SMALL = 1e-4;
const LARGE = 1e6;

/** Four significant digits, scientific where it would else be long: 0.9778, 7.94e-5, 1.2e7. */
export function number(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < SMALL || size >= LARGE)) return scientific(value, digits);
  if (Number.isInteger(value)) return sign(String(value));
  return sign(trim(value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(size))))));
}

/** All digits that a double has, for who hovers or copies. */
export const exact = (value: number | null | undefined): string =>
  value === null || value === undefined ? "–" : String(value);

const trim = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
const sign = (text: string): string => text.replace(/^-/, "−");

function scientific(value: number, digits: number): string {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
  return sign(`${trim(mantissa)}e${Number(exponent)}`);
}

/** How much better something is: positive where it is better, whichever way the objective goes. */
export const gain = (better: number): string => (better > 0 ? `+${number(better)}` : number(better));

/** A count: 12, 5,000, 100,000. */
export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;

/** A share: 0.4 %, 37 %. */
export const percent = (share: number | null | undefined): string =>
  share === null || share === undefined || Number.isNaN(share)
    ? "–"
    : `${number(100 * share, Math.abs(share) < 0.0995 ? 2 : 3)} %`;

/** Seconds in words that fit their size: 12 ms, 3.4 s, 12 min 4 s, 3 h 20 min, 2 d 4 h. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 0) return `−${duration(-seconds)}`;
  if (seconds < 0.9995) return `${number(1000 * seconds, 3)} ms`;
  if (seconds < 59.95) return `${number(seconds, 3)} s`;
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const first = units.findIndex(([, size]) => seconds >= size);
  const [[large, size], [small, part]] = [units[first], units[first + 1]];
  const whole = Math.floor(seconds / size);
  const rest = Math.floor((seconds - whole * size) / part);
  return rest > 0 ? `${whole} ${large} ${rest} ${small}` : `${whole} ${large}`;
}

/** Trials per hour, minute or second, whichever is easy to picture: 12.3 an hour, 253 a minute. */
export function pace(perHour: number): string {
  if (!(perHour > 0)) return number(perHour, 3);
  const [hours, unit] = perHour < 600 ? [1, "an hour"] : perHour < 36_000 ? [60, "a minute"] : [3600, "a second"];
  return `${number(perHour / hours, 3)} ${unit}`;
}

/** How long ago, in one unit: "8 min ago"; a moment of the future is "in 8 min". */
export function ago(epoch: number | null | undefined, now = Date.now() / 1000): string {
  if (epoch === null || epoch === undefined || !Number.isFinite(epoch)) return "–";
  const seconds = Math.abs(now - epoch);
  if (seconds < 2) return "now";
  const text = duration(Math.round(seconds)).split(" ").slice(0, 2).join(" ");
  return epoch <= now ? `${text} ago` : `in ${text}`;
}

/** A moment, in the reader's time zone: 2026-11-30 14:05:09. */
export function moment(epoch: number | null | undefined): string {
  if (epoch === null || epoch === undefined || !Number.isFinite(epoch)) return "–";
  const d = new Date(1000 * epoch);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** A value of a parameter or an attribute, in one line. */
export function value(of: unknown): string {
  if (typeof of === "number") return number(of);
  if (of === null || of === undefined) return "–";
  if (Array.isArray(of)) return `[${of.map(value).join(", ")}]`;
  return visible(typeof of === "string" ? of : JSON.stringify(of));
}

/** Text with control characters, directions and line ends made visible, so that a name cannot pretend to be another. */
export const visible = (text: string): string =>
  text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${(c.codePointAt(0) as number).toString(16)}}`);

export interface Tick {
  value: number;
  label: string;
}

/** Round numbers between two ends, about `wanted` of them; `whole` asks for integers. */
export function ticks(low: number, high: number, wanted = 5, whole = false): Tick[] {
  if (!(high > low) || !Number.isFinite(high - low)) return [{ value: low, label: number(low) }];
  let step = niceStep((high - low) / Math.max(1, wanted));
  if (whole) step = Math.max(1, Math.round(step));
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => {
    const at = (first + i) * step;
    return { value: at, label: tickLabel(at, places) };
  });
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((m) => m * power >= rough * 0.999) as number);
}

/** Thousands as k, M, G; small ones as 1e-4. */
export function tickLabel(at: number, places = 4): string {
  const size = Math.abs(at);
  if (size === 0) return "0";
  if (size < SMALL || size >= 1e15) return scientific(at, 3);
  for (const [unit, letter] of [
    [1e12, "T"],
    [1e9, "G"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const)
    if (size >= unit && size >= 10_000) return sign(`${trim((at / unit).toFixed(3))}${letter}`);
  return sign(at.toFixed(Math.min(places, 12)));
}

/** Powers of ten between two positive ends, with 2 and 5 between them where there is room. */
export function logTicks(low: number, high: number, wanted = 5): Tick[] {
  const decades = Math.log10(high) - Math.log10(low);
  if (!(decades > 0)) return [{ value: low, label: number(low) }];
  const steps = decades < wanted / 3 ? [1, 2, 5] : decades < wanted / 1.5 ? [1, 3] : [1];
  for (let every = Math.max(1, Math.ceil(decades / wanted)); every >= 1; every--) {
    const found = powers(low, high, steps, every);
    if (found.length > 1) return found;
  }
  return ticks(low, high, wanted);
}

function powers(low: number, high: number, steps: readonly number[], every: number): Tick[] {
  const found: Tick[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    if (power % every !== 0) continue;
    for (const step of steps) {
      const at = step * 10 ** power;
      const label = power >= -3 && power <= 3 ? tickLabel(at, Math.max(0, -power)) : scientific(at, 1);
      if (at >= low * (1 - 1e-9) && at <= high * (1 + 1e-9)) found.push({ value: at, label });
    }
  }
  return found;
}
