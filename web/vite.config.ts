import { defineConfig } from "vitest/config";

// Two builds into the Python package: pages that load when they are opened, and one file with all of them for reports.
// Addresses are relative, so that both work under any prefix; equal sources give equal files.
const out = "../src/kilter/dashboard/static";

export default defineConfig(({ mode }) => ({
  base: "./",
  build:
    mode === "report"
      ? {
          outDir: out,
          emptyOutDir: false,
          modulePreload: false,
          cssCodeSplit: false,
          rolldownOptions: {
            input: "src/main.tsx",
            transform: { define: { "import.meta": "{}" } }, // a script within a page is no module
            output: {
              format: "iife" as const,
              codeSplitting: false,
              entryFileNames: "report.js",
              assetFileNames: "report.[ext]",
            },
          },
        }
      : {
          outDir: out,
          emptyOutDir: true,
          modulePreload: { polyfill: false },
          assetsInlineLimit: 0,
          license: { fileName: "LICENSES.txt" },
        },
  test: { include: ["test/**/*.test.ts"], environment: "node" },
}));
