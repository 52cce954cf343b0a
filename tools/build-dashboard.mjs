// Builds the dashboard: one script, one style sheet, and the page that names them. Plain
// JavaScript, because tools/build.mjs runs it before anything is compiled.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";

/** Packages that the script contains, whose licences ask to be passed on. */
const PACKAGES = ["preact", "uplot"];
const BROWSERS = ["chrome109", "firefox115", "safari16.4"];

/** Fills `folder`, which must be new: names change with what is inside. */
export async function buildDashboard(build, root, folder) {
  mkdirSync(folder, { recursive: true });
  const { outputFiles } = await build({
    absWorkingDir: root,
    write: false,
    entryPoints: { dashboard: join("dashboard", "main.tsx") },
    outdir: folder,
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    target: BROWSERS,
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
  });
  const names = outputFiles.map(({ path }) => basename(path));
  // The server sends them as they are to whoever takes gzip, which is every browser.
  for (const { path, contents } of outputFiles) {
    writeFileSync(`${path}.gz`, gzipSync(contents, { level: 9 }));
  }
  const page = readFileSync(join(root, "dashboard", "index.html"), "utf8");
  const filled = page.replace(/\{(js|css)\}/g, (_, ending) => {
    return names.find((name) => name.endsWith(`.${ending}`)) ?? "";
  });
  writeFileSync(join(folder, "index.html"), filled);
  const licences = PACKAGES.map((name) => {
    return `${name}\n\n${readFileSync(join(root, "node_modules", name, "LICENSE"), "utf8")}`;
  });
  writeFileSync(join(folder, "licences.txt"), licences.join("\n\n"));
}
