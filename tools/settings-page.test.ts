import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { SETTINGS_PAGE, settingsPage } from "./settings-page.ts";
import { findRepository } from "./tidy.ts";

test("the page of settings is made from the table as it is", () => {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  const page = readFileSync(join(root, SETTINGS_PAGE), "utf8");
  assert.equal(page, settingsPage(), "run node dist/tools/settings-page.js");
});
