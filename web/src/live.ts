// News of studies: one stream per page, one event per study and commit. It says only which revision; who draws asks for the rest.
import { signal } from "@preact/signals";
import { isStatic } from "./api.js";

export interface News {
  study: number;
  revision: number;
  trials: number;
}

export type Connection = "static" | "connecting" | "live" | "lost";

export const connection = signal<Connection>(isStatic ? "static" : "connecting");

/** Why the storage cannot be read, in the server's words, while the server answers and its storage does not. */
export const gone = signal<string | null>(null);

type Listener = (news: News) => void;
const listeners = new Set<Listener>();

/** Calls `listener` with each piece of news until the function that is returned is called. */
export function onNews(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

let source: EventSource | null = null;
let retry = 1000;
let timer = 0;

/** Opens the stream, and keeps it while the page is seen: a browser has few connections to a host for all of its tabs. */
export function connect(): void {
  if (isStatic) return;
  const follow = () => (document.hidden ? close() : open());
  document.addEventListener("visibilitychange", follow);
  follow();
}

function close(): void {
  clearTimeout(timer);
  source?.close();
  source = null;
}

/** A browser gives up after some refusals, so a lost stream is opened again with growing pauses, up to 15 s. */
function open(): void {
  close();
  source = new EventSource("api/v1/events");
  source.addEventListener("open", () => {
    connection.value = "live";
    retry = 1000;
  });
  source.addEventListener("study", (event) => {
    const news = JSON.parse((event as MessageEvent<string>).data) as News;
    for (const listener of listeners) listener(news);
  });
  // Which studies there are: news of none of them.
  source.addEventListener("studies", () => {
    for (const listener of listeners) listener({ study: 0, revision: 0, trials: 0 });
  });
  source.addEventListener("storage", (event) => {
    gone.value = (JSON.parse((event as MessageEvent<string>).data) as { error: string | null }).error;
  });
  source.addEventListener("error", () => {
    connection.value = "lost";
    if (source?.readyState !== EventSource.CLOSED) return;
    timer = window.setTimeout(open, retry);
    retry = Math.min(15_000, 2 * retry);
  });
}
