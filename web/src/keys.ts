// Keys: a page says what they do while it is shown; "?" lists them all.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export interface Key {
  key: string;
  does: string;
  run: () => void;
}

/** What the keys do now, the innermost part of the page last. */
export const keymaps = signal<readonly (readonly Key[])[]>([]);

/** Whether Tab was pressed since the pages were loaded. */
export const tabbed = signal(false);

/** Binds keys as long as the component is there; what comes later wins. */
export function useKeys(keys: readonly Key[]): void {
  const latest = useRef(keys);
  latest.current = keys;
  const names = keys.map((k) => k.key).join(" ");
  useEffect(() => {
    const map = keys.map(({ key, does }, i) => ({ key, does, run: () => latest.current[i].run() }));
    keymaps.value = [...keymaps.peek(), map];
    return () => {
      keymaps.value = keymaps.peek().filter((m) => m !== map);
    };
  }, [names]);
}

const typing = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

export function listenKeys(): void {
  addEventListener("keydown", (event) => {
    if (event.key === "Tab") tabbed.value = true;
    if (document.querySelector("dialog[open]")) return; // its own: Escape closes it, on every page
    const control = event.ctrlKey || event.metaKey;
    const pressed = control ? `Ctrl-${event.key.toUpperCase()}` : event.key;
    if (event.defaultPrevented || event.altKey || (!control && typing(event.target))) return;
    if (event.key === "Enter" && event.target instanceof HTMLElement && event.target.closest("button, a, [role=table]"))
      return;
    for (const map of [...keymaps.peek()].reverse()) {
      const bound = map.find((k) => k.key === pressed);
      if (!bound) continue;
      event.preventDefault();
      return bound.run();
    }
  });
}
