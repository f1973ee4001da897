// What all pages share, as signals: the server, the studies, the open study with its columns, what is selected and under the mouse.
import { batch, computed, effect, signal } from "@preact/signals";
import { ApiError, get, getBytes } from "./api.js";
import { hook, timed } from "./hook.js";
import { connection, onNews } from "./live.js";
import { type Column, type Columns, decode } from "./protocol.js";
import { route } from "./router.js";
import type { Server, Study, StudyRow } from "./types.js";

export const server = signal<Server | null>(null);
export const studies = signal<StudyRow[] | null>(null);
/** The study of the address, or null on the pages of all studies and until it is here. */
export const study = signal<Study | null>(null);
/** The trials of the open study, as columns. A new object after each change; the arrays of an older one never change. */
export const columns = signal<Columns | null>(null);
/** Why the server, its studies or the open study could not be read. */
export const trouble = signal<Error | null>(null);
/** The trial under the mouse or the keyboard's cursor, in every plot and table; -1 is none. */
export const hover = signal(-1);
/** Trials that came while the view was held (see `held`). */
export const waiting = signal(0);
/** Whether the user inspects: then news is counted and not shown until released. */
export const held = signal(false);

export const revision = computed(() => columns.value?.revision ?? study.value?.revision ?? 0);
export const readOnly = computed(() => server.value?.read_only ?? true);

export const column = (key: string): Column | undefined => columns.value?.columns.find((c) => c.key === key);
export const columnsOf = (kind: Column["kind"]): Column[] =>
  columns.value?.columns.filter((c) => c.kind === kind) ?? [];

const settle = async (work: () => Promise<void>): Promise<void> => {
  try {
    await work();
    trouble.value = null;
  } catch (error) {
    trouble.value = error as Error;
  }
};

export const loadServer = (): Promise<void> =>
  settle(async () => {
    server.value = await get<Server>("server");
  });

export const loadStudies = (): Promise<void> =>
  settle(async () => {
    studies.value = await get<StudyRow[]>("studies");
  });

let wanted: number | null = null;

async function openStudy(id: number): Promise<void> {
  const [told, bytes] = await Promise.all([get<Study>(`studies/${id}`), getBytes(`studies/${id}/columns`)]);
  if (wanted !== id) return;
  batch(() => {
    study.value = told;
    columns.value = timed("decode", () => decode(bytes));
  });
}

/** The changes since the last time, laid over what is known. */
async function follow(id: number): Promise<void> {
  const before = columns.peek();
  if (before === null) return openStudy(id);
  const [told, bytes] = await Promise.all([
    get<Study>(`studies/${id}`),
    getBytes(`studies/${id}/columns?after=${before.revision}`),
  ]);
  if (wanted !== id) return;
  batch(() => {
    study.value = told;
    columns.value = timed("decode", () => decode(bytes, before));
    waiting.value = 0;
  });
}

/** Runs one at a time and once more where it was asked for meanwhile: the news of a busy study does not queue up. */
export function latest(work: () => Promise<void>): () => void {
  let busy = false;
  let again = false;
  const run = async () => {
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    try {
      do {
        again = false;
        await work();
      } while (again);
    } finally {
      busy = false;
    }
  };
  return () => void run();
}

const update = latest(() =>
  settle(async () => {
    if (wanted !== null) await follow(wanted);
  }),
);
const list = latest(loadStudies);

/** Shows what came while the view was held. */
export function release(): void {
  held.value = false;
  update();
}

/** Reads the open study again, after an action of the user's own. */
export const refresh = update;

export function start(): void {
  void loadServer();
  onNews((news) => {
    if (news.study === wanted && news.revision !== columns.peek()?.revision) {
      if (held.peek()) waiting.value = Math.max(1, news.trials - (columns.peek()?.count ?? 0));
      else update();
    }
    if (wanted === null) list();
  });
  let before = connection.peek();
  effect(() => {
    if (connection.value === "live" && before === "lost") wanted === null ? list() : update();
    before = connection.value;
  });
  effect(() => {
    const id = route.value.study;
    if (id === wanted && (id !== null || studies.peek() !== null)) return;
    wanted = id;
    batch(() => {
      study.value = null;
      columns.value = null;
      hover.value = -1;
      waiting.value = 0;
      held.value = false;
      trouble.value = null;
    });
    if (id === null) list();
    else update();
  });
  effect(() => {
    hook.revision = revision.value;
    hook.trials = columns.value?.count ?? 0;
  });
}

/** Whether the trouble is that there is no such study, rather than that nobody answers. */
export const isMissing = (error: Error | null): boolean => error instanceof ApiError && error.status === 404;
