// The order of a table as it stands in the address, such as "-value:accuracy,+seconds".
import type { Sort } from "./components/Table.js";

export function orderAsText(order: readonly Sort[]): string {
  return order.map(({ key, descending }) => (descending ? "-" : "+") + encodeURIComponent(key)).join(",");
}

export function orderOfText(text: string): Sort[] {
  const parts = text.split(",").filter((part) => /^[+-]./.test(part));
  try {
    return parts.map((part) => ({ key: decodeURIComponent(part.slice(1)), descending: part[0] === "-" }));
  } catch {
    return []; // an address that somebody cut
  }
}
