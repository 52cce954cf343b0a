import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SETTING_NAMES, settingOf } from "../src/embed/config/config.ts";
import { SETTINGS_PAGE, settingsPage } from "./settings-page.ts";
import { findRepository } from "./tidy.ts";

test("the page of settings is made from the table as it is", () => {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  const page = readFileSync(join(root, SETTINGS_PAGE), "utf8");
  assert.equal(page, settingsPage(), "run node dist/tools/settings-page.js");
});

/** What tells who writes the help that a setting does nothing. */
const WITHOUT_EFFECT = /accepted, without effect/i;

test("each setting has a reader, or says that it is without effect", () => {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  const folder = join(root, "src");
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .filter((path) => !/^embed\/config\/settings/.test(path) && !path.startsWith("api/gen/"))
    .map((path) => readFileSync(join(folder, path), "utf8"));
  const words = new Set(sources.flatMap((source) => source.match(/\b[a-z]\w+\b/g) ?? []));
  const unread = SETTING_NAMES.filter((name) => !words.has(name));
  const idle = SETTING_NAMES.filter((name) => WITHOUT_EFFECT.test(settingOf(name).help));
  assert.deepEqual(unread, idle);
});
