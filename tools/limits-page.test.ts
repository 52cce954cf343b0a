import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { LIMITS_PAGE, limitsOf, limitsPage } from "./limits-page.ts";
import { findRepository } from "./tidy.ts";

test("the page of limits is made from the sources as they are", () => {
  const root = findRepository(dirname(fileURLToPath(import.meta.url)));
  const page = readFileSync(join(root, LIMITS_PAGE), "utf8");
  assert.equal(page, limitsPage(root), "run node dist/tools/limits-page.js");
});

test("a limit has its value with a unit and the comment above it", () => {
  const text = `/** First.
 * Second line. */
export const MAX_A_BYTES = 3 * 512 * 1024;
/** Together: burst and rate. */
const B_BURST = 1_000;
const B_PER_SECOND = 10;

const C_TIMEOUT_MS = 2 * 3_600_000;
const NOT_A_NUMBER = "text";
const DERIVED = MAX_A_BYTES;
/** Powers. */
const MAX_D = 2 ** 31 - 1;
`;
  assert.deepEqual(limitsOf(text), [
    { name: "MAX_A_BYTES", value: "1.5 MiB", meaning: "First. Second line." },
    { name: "B_BURST", value: "1,000", meaning: "Together: burst and rate." },
    { name: "B_PER_SECOND", value: "10 per second", meaning: "Together: burst and rate." },
    { name: "C_TIMEOUT_MS", value: "7,200 s", meaning: "" },
    { name: "MAX_D", value: "2,147,483,647", meaning: "Powers." },
  ]);
});
