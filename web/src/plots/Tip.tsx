// The words beside the mouse. The box stays and moves: made anew for each mark it would have the plot beneath painted again.
import { useLayoutEffect, useRef } from "preact/hooks";

const AWAY = 12;

export function Tip({ text, px, py }: { text: string | null; px: number; py: number }) {
  const box = useRef<HTMLDivElement>(null as never);
  useLayoutEffect(() => {
    const { style, parentElement, offsetWidth } = box.current;
    const room = (parentElement as HTMLElement).clientWidth;
    const x = px > room / 2 ? px - offsetWidth - AWAY : px + AWAY;
    style.transform = `translate(${Math.round(x)}px, ${Math.round(py + AWAY)}px)`;
  }, [text, px, py]);
  return (
    <div class="tip" aria-hidden="true" hidden={text === null} ref={box}>
      {text}
    </div>
  );
}
