// What is far down a page is made when one comes near it.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

export function Later({ height, children }: { height: number; children: () => ComponentChildren }) {
  const place = useRef<HTMLDivElement>(null as never);
  const [near, setNear] = useState(false);
  useEffect(() => {
    if (near) return;
    const view = new IntersectionObserver((entries) => setNear(entries.some((e) => e.isIntersecting)), {
      rootMargin: "150px",
    });
    view.observe(place.current);
    return () => view.disconnect();
  }, [near]);
  return near ? <>{children()}</> : <div ref={place} style={{ minHeight: `${height}px` }} />;
}
