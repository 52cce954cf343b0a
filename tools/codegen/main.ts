/** `npm run codegen`: writes src/api/gen/*.ts from proto/*.proto. */

import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generate, repositoryRoot } from "./generate.ts";

const root = repositoryRoot();
const target = join(root, "src", "api", "gen");
try {
  const modules = generate(join(root, "proto"));
  mkdirSync(target, { recursive: true });
  for (const name of readdirSync(target)) {
    if (!modules.has(name)) rmSync(join(target, name));
  }
  for (const [name, text] of modules) writeFileSync(join(target, name), text);
  console.log(`wrote ${modules.size} modules to src/api/gen`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
