// Where we are, held in the hash: `#/3/explore?q=value>.9`. It works under any prefix and from a file on the disk.
import { signal } from "@preact/signals";

export interface Route {
  /** "studies", "compare", or the page of a study. */
  page: string;
  study: number | null;
  query: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path, query = ""] = hash.replace(/^#?\/?/, "").split(/\?(.*)/s);
  const [first = "", second = ""] = path.split("/");
  const search = new URLSearchParams(query);
  if (/^\d+$/.test(first)) return { page: second || "overview", study: Number(first), query: search };
  return { page: first || "studies", study: null, query: search };
}

/** The address of a page: `href("explore", 3, {q: "value > .9"})`. */
export function href(page: string, study: number | null = null, query: Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  const path =
    study === null ? (page === "studies" ? "" : page) : page === "overview" ? `${study}` : `${study}/${page}`;
  return `#/${path}${search ? `?${search}` : ""}`;
}

export const route = signal<Route>(parse(globalThis.location?.hash ?? ""));

/** Goes to a page; `replace` leaves no step for the back button. */
export function go(address: string, replace = false): void {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  route.value = parse(address);
}

/** Changes the query of this page (null removes), without a step for the back button. */
export function setQuery(changes: Record<string, string | null>): void {
  const { page, study, query } = route.peek();
  const next = new URLSearchParams(query);
  for (const [key, value] of Object.entries(changes)) value === null ? next.delete(key) : next.set(key, value);
  if (next.toString() !== query.toString()) go(href(page, study, Object.fromEntries(next)), true);
}

export function listen(): void {
  for (const event of ["hashchange", "popstate"]) addEventListener(event, () => (route.value = parse(location.hash)));
}
