// What the colours of a plot mean: the colour map, from worse to better.
import { ramp, themed } from "./colours.js";

export function Ramp({ from, to }: { from: string; to: string }) {
  const dark = themed.value >= 0 && document.documentElement.dataset.theme === "dark";
  const stops = [0, 0.25, 0.5, 0.75, 1].map((s) => `rgb(${ramp(s, dark).join(" ")})`).join(", ");
  return (
    <>
      <span>{from}</span>
      <span class="legend-ramp" aria-hidden="true" style={{ background: `linear-gradient(to right, ${stops})` }} />
      <span>{to}</span>
    </>
  );
}
