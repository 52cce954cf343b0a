/** The client's own package works with nothing beside it. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CLIENT_PACKAGE, writeClientPackage } from "./client-package.ts";
import { findRepository } from "./tidy.ts";

const root = findRepository(dirname(fileURLToPath(import.meta.url)));

const PROGRAM = `
  import { EtcdClient, EtcdClientError } from "etcd-ts-client";
  import { createRequire } from "node:module";
  const required = createRequire(import.meta.url)("etcd-ts-client");
  const client = new EtcdClient({ endpoints: ["127.0.0.1:1"] });
  const error = await client.kv.get("", { timeoutMs: 1000 }).catch((reason) => reason);
  console.log(error instanceof EtcdClientError, required.EtcdClient === EtcdClient);
  client.close();
`;

test("the client's package runs and is typed with nothing installed beside it", () => {
  const folder = mkdtempSync(join(tmpdir(), "etcd-client-"));
  try {
    const own = join(folder, "node_modules", CLIENT_PACKAGE);
    writeClientPackage(root, own);
    const description: unknown = JSON.parse(readFileSync(join(own, "package.json"), "utf8"));
    assert.equal(Object.hasOwn(description as object, "dependencies"), false);
    assert.ok(readdirSync(join(own, "lib")).length < 20);

    writeFileSync(join(folder, "program.mjs"), PROGRAM);
    const options = { cwd: folder, encoding: "utf8" } as const;
    assert.equal(execFileSync(process.execPath, ["program.mjs"], options), "true true\n");

    const typed = `import { EtcdClient } from "${CLIENT_PACKAGE}"; export const kv = EtcdClient;`;
    writeFileSync(join(folder, "typed.mts"), typed);
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
    const flags = ["--noEmit", "--strict", "--module", "node16", "--target", "es2022"];
    execFileSync(process.execPath, [tsc, ...flags, "typed.mts"], options);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
