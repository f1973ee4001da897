// Whether the screen is too narrow for wide tables.
import { signal } from "@preact/signals";

const query = globalThis.matchMedia?.("(max-width: 700px)");

export const narrow = signal(query?.matches ?? false);
query?.addEventListener("change", ({ matches }) => (narrow.value = matches));
