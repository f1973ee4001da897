// The plots of a panel as a picture of their own, for slides and messages; for papers there is study.plot in Python.
import { colours } from "./colours.js";

/** Saves all plots within an element as one PNG, as they are on the screen. */
export function savePicture(within: HTMLElement, name: string): void {
  const plots = [...within.querySelectorAll<HTMLCanvasElement>("canvas:not(.over)")].filter((c) => c.width > 0);
  if (plots.length === 0) return;
  const places = plots.map((plot) => plot.getBoundingClientRect());
  const [left, top] = [Math.min(...places.map((p) => p.left)), Math.min(...places.map((p) => p.top))];
  const [right, bottom] = [Math.max(...places.map((p) => p.right)), Math.max(...places.map((p) => p.bottom))];
  const ratio = devicePixelRatio || 1;
  const picture = Object.assign(document.createElement("canvas"), {
    width: (right - left) * ratio,
    height: (bottom - top) * ratio,
  });
  const context = picture.getContext("2d") as CanvasRenderingContext2D;
  context.scale(ratio, ratio);
  context.fillStyle = colours().panel;
  context.fillRect(0, 0, picture.width, picture.height);
  plots.forEach((plot, i) =>
    context.drawImage(plot, places[i].left - left, places[i].top - top, places[i].width, places[i].height),
  );
  picture.toBlob((blob) => blob && download(blob, `${name.replace(/[^\p{L}\p{N}]+/gu, "-")}.png`));
}

function download(blob: Blob, name: string): void {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
