// The frame of all pages: where one is, where one can go, whether the page is live, the theme, and the keys.
import { type ComponentType, type ComponentChildren, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import "./styles.css";
import { ApiError, isStatic } from "./api.js";
import { Guard, Skeleton, Trouble } from "./components/Panel.js";
import { Chip, Notices, Switch } from "./components/parts.js";
import { count, plural, visible } from "./format.js";
import { Help, helpOpen, Palette, paletteOpen } from "./help.js";
import { listenKeys, useKeys } from "./keys.js";
import { connect, connection, gone } from "./live.js";
import { type Page, PAGES } from "./pages.js";
import { go, href, listen, route } from "./router.js";
import { startSelection } from "./selection.js";
import {
  held,
  isMissing,
  readOnly,
  refresh,
  release,
  server,
  start,
  studies,
  study,
  trouble,
  waiting,
} from "./store.js";
import { setTheme, startTheme, theme, type Theme } from "./theme.js";

const loaded = new Map<string, ComponentType>();

/** The component of a page: null while its file is on its way. */
function useLoaded(page: Page | undefined): ComponentType | Error | null {
  const [, redraw] = useState(0);
  const [error, setError] = useState<Error | null>(null);
  useEffect(() => {
    setError(null);
    if (!page || loaded.has(page.name)) return;
    page.load().then((module) => {
      loaded.set(page.name, module.default);
      redraw((n) => n + 1);
    }, setError);
  }, [page]);
  return error ?? (page && loaded.get(page.name)) ?? null;
}

function App() {
  const { page: name, study: id } = route.value;
  const page = PAGES.find((p) => p.name === name && p.ofStudy === (id !== null));
  const Content = useLoaded(page);
  useEffect(() => {
    const of = id !== null && study.value ? ` · ${study.value.name}` : "";
    document.title = `${page?.title ?? "Not found"}${of} · kilter`;
  }, [page, id, study.value]);
  useGlobalKeys(id);
  return (
    <>
      <a
        class="skip"
        href="#content"
        onClick={(e) => (e.preventDefault(), document.getElementById("content")?.focus())}
      >
        Skip to the content
      </a>
      <Header id={id} page={page} />
      <Lost />
      <main id="content" tabIndex={-1}>
        <Guard key={`${name} ${id}`}>{!page ? <NotFound /> : <Body page={page} Content={Content} />}</Guard>
      </main>
      <Notices />
      {helpOpen.value && <Help />}
      {paletteOpen.value && <Palette />}
    </>
  );
}

function Body({ page, Content }: { page: Page; Content: ComponentType | Error | null }) {
  if (page.ofStudy && study.value === null) {
    const error = trouble.value;
    if (isMissing(error)) return <NotFound error={error as Error} />;
    return <Titled page={page}>{error ? <Trouble error={error} again={refresh} /> : <Skeleton lines={8} />}</Titled>;
  }
  if (Content instanceof Error)
    return (
      <Titled page={page}>
        <Trouble error={new Error("This page's file could not be loaded.")} again={() => location.reload()} />
      </Titled>
    );
  return <Titled page={page}>{Content ? <Content /> : <Skeleton lines={8} />}</Titled>;
}

function Titled({ page, children }: { page: Page; children: ComponentChildren }) {
  return (
    <>
      <h1 class="sr">
        {page.title}
        {page.ofStudy && study.value ? ` of ${visible(study.value.name)}` : ""}
      </h1>
      {children}
    </>
  );
}

function NotFound({ error }: { error?: Error }) {
  return (
    <div class="lonely">
      <h1>Not found</h1>
      <p>{error ? visible(error.message) : "There is no such page."}</p>
      <p>
        <a href={href("studies")}>All studies</a>
      </p>
    </div>
  );
}

function Header({ id, page }: { id: number | null; page: Page | undefined }) {
  const open = study.value;
  return (
    <header class="top">
      <div class="bar">
        <a class="brand" href={isStatic && id !== null ? href("overview", id) : href("studies")}>
          kilter
        </a>
        {id !== null && open && (
          <span class="crumb" title={visible(open.name)}>
            {visible(open.name)}
          </span>
        )}
        {id !== null && open && (
          <Chip tone={open.control === "running" ? "plain" : "look"}>
            {open.control === "running" ? plural(open.summary.trials, "trial") : open.control}
          </Chip>
        )}
        <span class="spring" />
        <Live />
        {readOnly.value && server.value && (
          <Chip title="This page only looks: the server was started with --read-only.">read-only</Chip>
        )}
        <button
          type="button"
          class="quiet"
          title="Go to a page, a study, a trial (Ctrl-K)"
          aria-label="Go to"
          onClick={() => (paletteOpen.value = true)}
        >
          ⌕
        </button>
        <Switch label="Theme" value={theme.value} onChange={(v) => setTheme(v as Theme)} options={THEMES} />
        <button
          type="button"
          class="quiet"
          title="Keys (?)"
          aria-label="Keys and help"
          onClick={() => (helpOpen.value = true)}
        >
          ?
        </button>
      </div>
      <Navigation id={id} page={page} />
    </header>
  );
}

const THEMES = [
  { value: "auto", label: "auto", title: "As the system has it" },
  { value: "light", label: "light" },
  { value: "dark", label: "dark" },
];

/** The query and the brushes go along from page to page of a study. */
function kept(): Record<string, string> {
  const { query } = route.value;
  return Object.fromEntries(["q", "b"].flatMap((key) => (query.has(key) ? [[key, query.get(key) as string]] : [])));
}

function Navigation({ id, page }: { id: number | null; page: Page | undefined }) {
  const shown = PAGES.filter((p) => p.ofStudy === (id !== null)).filter((p) => !isStatic || p.ofStudy);
  return (
    <nav aria-label="Pages">
      {shown.map((p) => (
        <a key={p.name} href={href(p.name, id, p.ofStudy ? kept() : {})} aria-current={p === page ? "page" : undefined}>
          {p.title}
        </a>
      ))}
    </nav>
  );
}

function Live() {
  if (isStatic) return <Chip title="A report: what was recorded when it was written.">report</Chip>;
  if (waiting.value > 0)
    return (
      <button type="button" class="chip accent" onClick={release} title="Show what came meanwhile">
        {count(waiting.value)} new · show
      </button>
    );
  if (held.value)
    return (
      <button type="button" class="chip look" onClick={release}>
        held · go on
      </button>
    );
  const live = connection.value === "live";
  return (
    <button
      type="button"
      class={`chip ${live ? "good" : "look"}`}
      title={live ? "News is shown as it comes. Click to hold the view." : "Waiting for the server."}
      onClick={() => (held.value = true)}
    >
      <span class={`dot ${live ? "on" : ""}`} aria-hidden="true" />
      {live ? "live" : connection.value}
    </button>
  );
}

function Lost() {
  const error = study.value || studies.value ? trouble.value : null;
  const away = connection.value === "live" ? gone.value : null;
  if (connection.value !== "lost" && !error && away === null) return null;
  const told =
    error && !(error instanceof ApiError && error.status === 0) ? error.message : "The server does not answer.";
  return (
    <p class="lost" role="alert">
      {visible(away ?? told)} What you see is the last that was known; the page goes on by itself.
    </p>
  );
}

function useGlobalKeys(id: number | null): void {
  const step = (by: number) => () => {
    const pages = PAGES.filter((p) => p.ofStudy === (id !== null));
    const at = pages.findIndex((p) => p.name === route.peek().page);
    go(href(pages[(at + by + pages.length) % pages.length].name, id, kept()));
  };
  useKeys([
    { key: "?", does: "these keys", run: () => (helpOpen.value = true) },
    { key: "Ctrl-K", does: "go to a page, a study or a trial", run: () => (paletteOpen.value = true) },
    { key: "[", does: "the page before", run: step(-1) },
    { key: "]", does: "the next page", run: step(1) },
  ]);
}

startTheme();
listen();
listenKeys();
startSelection();
start();
connect();
render(<App />, document.getElementById("app") as HTMLElement);
