/** From the .proto files on disk to the text of all generated modules. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { emitAll } from "./emit.ts";
import { parseProto } from "./parser.ts";
import { buildSchema } from "./schema.ts";

/** The folder of the nearest package.json above this file, source or compiled. */
export function repositoryRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error("no package.json above the code generator");
    folder = parent;
  }
  return folder;
}

/** Generated modules by file name. */
export function generate(protoFolder: string): Map<string, string> {
  const names = readdirSync(protoFolder)
    .filter((name) => name.endsWith(".proto"))
    .sort();
  const parsed = names.map((name) =>
    parseProto(name, readFileSync(join(protoFolder, name), "utf8")),
  );
  return emitAll(buildSchema(parsed));
}
