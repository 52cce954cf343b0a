/** What a browser loads for the dashboard: little, from one place, and nothing inline. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findRepository } from "./tidy.ts";

/** A page on a slow line should be there in a second or two. */
const MAX_COMPRESSED_BYTES = 150_000;

const root = findRepository(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, "dist", "lib", "dashboard");

test("all of the dashboard is small", () => {
  const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  assert.ok(total <= MAX_COMPRESSED_BYTES, `${total} bytes`);
});

test("the page names its script and style sheet by their content, and has nothing inline", () => {
  const page = readFileSync(join(folder, "index.html"), "utf8");
  const named = [...page.matchAll(/(?:src|href)="([^":]+)"/g)].map(([, name]) => name);
  const files = readdirSync(folder)
    .map((name) => name.replace(/\.gz$/, ""))
    .filter((name) => /\.(?:js|css)$/.test(name));
  assert.deepEqual(named.sort(), files.sort());
  for (const name of named) assert.match(name ?? "", /^dashboard-\w{8}\.(?:js|css)$/);
  assert.doesNotMatch(page, /<style|style=|<script(?![^>]*src=)|\son\w+=/);
});

test("no source turns text into elements", () => {
  const sources = readdirSync(join(root, "dashboard"), { recursive: true, encoding: "utf8" });
  const bad = sources.filter((name) => {
    if (!/\.tsx?$/.test(name)) return false;
    const text = readFileSync(join(root, "dashboard", name), "utf8");
    return /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(/i.test(text);
  });
  assert.deepEqual(bad, []);
});
