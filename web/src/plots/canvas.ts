// Canvases: sharp on every screen, drawn at most once a frame, and only while in view.
import { useEffect, useRef } from "preact/hooks";
import type { RefObject } from "preact";
import { effect } from "@preact/signals";
import { hook } from "../hook.js";

export type Draw = (context: CanvasRenderingContext2D, width: number, height: number, ratio: number) => void;

const dirty = new Set<Sheet>();
let asked = false;

function flush(): void {
  asked = false;
  const start = performance.now();
  for (const sheet of [...dirty]) if (sheet.inView) sheet.draw();
  hook.took.draw = performance.now() - start;
}

const seen = new Map<Element, Sheet>();
/** On paper all of a page is in view. */
globalThis.addEventListener?.("beforeprint", () => seen.forEach((sheet) => sheet.draw()));
const view =
  globalThis.IntersectionObserver &&
  new IntersectionObserver(
    (entries) => {
      for (const entry of entries) seen.get(entry.target)?.see(entry.isIntersecting);
    },
    { rootMargin: "120px" },
  );
const sizes =
  globalThis.ResizeObserver &&
  new ResizeObserver((entries) => {
    for (const entry of entries) seen.get(entry.target)?.fit(entry.contentRect.width, entry.contentRect.height);
  });

/** One canvas that fills its element. */
export class Sheet {
  inView = false;
  private width = 0;
  private height = 0;
  private readonly context: CanvasRenderingContext2D;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly paint: Draw,
  ) {
    this.context = canvas.getContext("2d") as CanvasRenderingContext2D;
    seen.set(canvas, this);
    view.observe(canvas);
    sizes.observe(canvas);
  }

  see(inView: boolean): void {
    this.inView = inView;
    if (inView && dirty.has(this)) this.ask();
  }

  fit(width: number, height: number): void {
    [this.width, this.height] = [width, height];
    this.ask();
  }

  /** Draws in the next frame, or when it comes into view. */
  ask(): void {
    dirty.add(this);
    if (asked || !this.inView) return;
    asked = true;
    requestAnimationFrame(flush);
  }

  draw(): void {
    dirty.delete(this);
    if (this.width === 0 || this.height === 0) return;
    const ratio = devicePixelRatio || 1;
    const [wide, tall] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (this.canvas.width !== wide || this.canvas.height !== tall)
      Object.assign(this.canvas, { width: wide, height: tall });
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, this.width, this.height);
    this.paint(this.context, this.width, this.height, ratio);
  }

  close(): void {
    dirty.delete(this);
    seen.delete(this.canvas);
    view.unobserve(this.canvas);
    sizes.unobserve(this.canvas);
  }
}

/** A canvas that is painted again when one of `inputs` changes, and when a signal moves that `paint` reads. */
export function useSheet(paint: Draw, inputs: readonly unknown[]): RefObject<HTMLCanvasElement> {
  const ref = useRef<HTMLCanvasElement>(null as never);
  const sheet = useRef<Sheet | null>(null);
  const latest = useRef(paint);
  latest.current = paint;
  useEffect(() => {
    let stop = () => {};
    const made = new Sheet(ref.current, (...size) => {
      stop();
      let first = true;
      stop = effect(() => {
        if (first) latest.current(...size);
        else made.ask(); // a signal moved: the next frame reads them all anew
        first = false;
      });
    });
    sheet.current = made;
    return () => {
      stop();
      made.close();
    };
  }, []);
  useEffect(() => sheet.current?.ask(), inputs);
  return ref;
}
