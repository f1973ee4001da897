// Questions to the server. Addresses are relative, so that the page works under any prefix; a report answers from what it recorded.
import { useEffect, useRef, useState } from "preact/hooks";
import { unpack } from "./protocol.js";

/** A refusal in the server's own words: what is wrong, and what to do about it. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly action: string,
    readonly status: number,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

type Recorded = Record<string, unknown>;
const recorded = (globalThis as { __kilter_static?: Recorded }).__kilter_static ?? null;

/** Whether this is a report: all answers are in the file, and nothing can be changed. */
export const isStatic = recorded !== null;

const root = "api/v1/";

function fromReport(path: string): unknown {
  const all = recorded as Recorded;
  const plain = path.split("?")[0];
  const key = [root + path, root + plain].find((k) => Object.hasOwn(all, k));
  if (key === undefined)
    throw new ApiError("This report did not record it.", "Open the study in the dashboard: kilter dashboard.", 404);
  return all[key];
}

async function request(path: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(root + path, init);
  } catch {
    throw new ApiError(
      "The server does not answer.",
      "Is kilter dashboard still running? The page tries again by itself.",
      0,
    );
  }
  if (response.ok) return response;
  const told = (await response.json().catch(() => null)) as { error?: { message?: string; action?: string } } | null;
  throw new ApiError(
    told?.error?.message ?? `The server refused: ${response.status}.`,
    told?.error?.action ?? "",
    response.status,
  );
}

/** `await get<Summary>("studies/3")`: the address below api/v1, the answer as it was written. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  if (recorded) return fromReport(path) as T;
  return (await request(path, { signal })).json() as Promise<T>;
}

export async function getBytes(path: string): Promise<ArrayBuffer> {
  if (recorded) return unpack(fromReport(path) as string);
  return (await request(path)).arrayBuffer();
}

/** An action; a report has none. */
export async function post<T = { ok: boolean; revision: number }>(path: string, body: unknown = {}): Promise<T> {
  if (recorded)
    throw new ApiError("A report cannot change its study.", "Open the study in the dashboard: kilter dashboard.", 405);
  const headers = { "Content-Type": "application/json" };
  return (await request(path, { method: "POST", headers, body: JSON.stringify(body) })).json() as Promise<T>;
}

/** What is known of a question by now: the last answer stays while the next one is on its way. */
export interface Answer<T> {
  value: T | null;
  error: Error | null;
  loading: boolean;
  again: () => void;
}

const kept = new Map<string, unknown>();
const KEPT = 64;

function keep(path: string, value: unknown): void {
  kept.delete(path);
  kept.set(path, value);
  if (kept.size > KEPT) kept.delete(kept.keys().next().value as string);
}

/** One question that is asked again when there is news: at most every two seconds, and never more than a fifth of the time. */
class Question<T> {
  value: T | null;
  error: Error | null = null;
  loading = true;
  private readonly abort = new AbortController();
  private timer = 0;
  private busy = false;
  private stale = false;
  private next = 0;

  constructor(
    readonly path: string,
    private readonly changed: () => void,
  ) {
    this.value = (kept.get(path) as T) ?? null;
  }

  refresh(): void {
    this.stale = true;
    if (this.busy) return; // what is on its way is not thrown away, or a study with much news would never get an answer
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.ask(), Math.max(0, this.next - performance.now()));
  }

  again(): void {
    this.next = 0;
    this.refresh();
  }

  close(): void {
    clearTimeout(this.timer);
    this.abort.abort();
  }

  private async ask(): Promise<void> {
    const start = performance.now();
    [this.busy, this.stale] = [true, false];
    try {
      this.value = await get<T>(this.path, this.abort.signal);
      this.error = null;
      keep(this.path, this.value);
    } catch (error) {
      this.error = error as Error;
    }
    if (this.abort.signal.aborted) return;
    [this.busy, this.loading] = [false, false];
    const now = performance.now();
    this.next = now + Math.max(2000, 4 * (now - start));
    this.changed();
    if (this.stale) this.refresh();
  }
}

/** The answer to a question, kept up to date as `revision` moves; `path` null asks nothing. */
export function useAnswer<T>(path: string | null, revision: number = 0): Answer<T> {
  const [, redraw] = useState(0);
  const question = useRef<Question<T> | null>(null);
  if ((question.current?.path ?? null) !== path) {
    question.current?.close();
    question.current = path === null ? null : new Question<T>(path, () => redraw((n) => n + 1));
  }
  useEffect(() => question.current?.refresh(), [path, revision]);
  useEffect(() => () => question.current?.close(), []);
  const asked = question.current;
  const again = () => asked?.again();
  return asked
    ? { value: asked.value, error: asked.error, loading: asked.loading, again }
    : { value: null, error: null, loading: false, again };
}

/** The same, where the answer before stays while another question about the same thing is on its way: a plot that is looked at closer is not taken away. */
export function useLasting<T>(path: string | null, revision: number, about: unknown): Answer<T> {
  const answer = useAnswer<T>(path, revision);
  const last = useRef<{ about: unknown; value: T | null }>({ about, value: null });
  if (last.current.about !== about || answer.value !== null) last.current = { about, value: answer.value };
  return { ...answer, value: last.current.value };
}
