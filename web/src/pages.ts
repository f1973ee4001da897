// The pages: one file each, loaded when it is opened.
import type { ComponentType } from "preact";

export interface Page {
  name: string;
  title: string;
  /** Whether it is of one study. */
  ofStudy: boolean;
  load: () => Promise<{ default: ComponentType }>;
}

const page = (name: string, title: string, ofStudy: boolean, load: Page["load"]): Page => ({
  name,
  title,
  ofStudy,
  load,
});

export const PAGES: readonly Page[] = [
  page("studies", "Studies", false, () => import("./pages/studies.js")),
  page("compare", "Compare", false, () => import("./pages/compare.js")),
  page("overview", "Overview", true, () => import("./pages/overview.js")),
  page("explore", "Explore", true, () => import("./pages/explore.js")),
  page("trials", "Trials", true, () => import("./pages/trials.js")),
  page("curves", "Curves", true, () => import("./pages/curves.js")),
  page("tradeoffs", "Trade-offs", true, () => import("./pages/tradeoffs.js")),
  page("timeline", "Timeline", true, () => import("./pages/timeline.js")),
  page("lineage", "Lineage", true, () => import("./pages/lineage.js")),
  page("model", "Model", true, () => import("./pages/model.js")),
  page("space", "Space", true, () => import("./pages/space.js")),
];
