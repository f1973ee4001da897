// What is far down a page is made when one comes near it, or goes through the page by keyboard: Tab would pass it by.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { tabbed } from "../keys.js";

export function Later({ height, children }: { height: number; children: () => ComponentChildren }) {
  const place = useRef<HTMLDivElement>(null as never);
  const [near, setNear] = useState(false);
  const made = near || tabbed.value;
  useEffect(() => {
    if (made) return;
    const view = new IntersectionObserver((entries) => setNear(entries.some((e) => e.isIntersecting)), {
      rootMargin: "150px",
    });
    view.observe(place.current);
    return () => view.disconnect();
  }, [made]);
  return made ? <>{children()}</> : <div ref={place} class="later" style={{ minHeight: `${height}px` }} />;
}
