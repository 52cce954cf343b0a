import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { METRICS_PAGE, metricsPage, registeredFamilies } from "./metrics-page.ts";
import { findRepository } from "./tidy.ts";

test("the page of metrics lists what a member registers, no more and no less", async () => {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  const page = readFileSync(join(root, METRICS_PAGE), "utf8");
  assert.equal(
    page,
    metricsPage(await registeredFamilies()),
    "run node dist/tools/metrics-page.js",
  );
});
