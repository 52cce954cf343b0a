/** What a program gets that imports the package, as it was built. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Runs a module of this text in a process of its own, and returns what it prints. */
function run(text: string): string {
  const args = ["--input-type=module", "--eval", text];
  // Anywhere in the package its own name means itself.
  const cwd = dirname(fileURLToPath(import.meta.url));
  const options = { cwd, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, args, options);
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

test("an error of a client without sockets is one of etcd-ts/client", () => {
  const output = run(`
    import { isErrorKind } from "etcd-ts/client";
    import { Etcd } from "etcd-ts/testing";
    const etcd = await Etcd.memory();
    const error = await etcd.client().kv.put("", "x").catch((reason) => reason);
    console.log(isErrorKind(error, "emptyKey"));
    await etcd.close();
  `);
  assert.equal(output, "true");
});

test("a member in memory needs no port, no file, no native module, no TLS and no HTTP", () => {
  const output = run(`
    import fs from "node:fs";
    import { builtinModules, syncBuiltinESMExports } from "node:module";
    const touched = [];
    for (const name of ["openSync", "open", "writeFileSync", "mkdirSync"]) {
      const real = fs[name];
      fs[name] = (...args) => {
        touched.push(args[0]);
        return real(...args);
      };
    }
    syncBuiltinESMExports();
    const { Etcd } = await import("etcd-ts/testing");
    const imported = touched.length;
    const etcd = await Etcd.memory();
    await etcd.client().kv.put("k", "1");
    const loaded = process.moduleLoadList.map((line) => line.replace("NativeModule ", ""));
    const unwanted = ["tls", "http", "https", "http2", "worker_threads", "child_process"];
    console.log(JSON.stringify({
      unwanted: unwanted.filter((name) => loaded.includes(name)),
      files: touched.slice(imported),
      handles: process.getActiveResourcesInfo().filter((name) => !/Pipe|TTY|Immediate/.test(name)),
      native: Object.keys(process.report.getReport().sharedObjects)
        .map((i) => process.report.getReport().sharedObjects[i])
        .filter((path) => path.endsWith(".node")),
    }));
    await etcd.close();
  `);
  assert.deepEqual(JSON.parse(output), { unwanted: [], files: [], handles: [], native: [] });
});

test("a process that forgets to close its etcd ends all the same", () => {
  const output = run(`
    import { Etcd } from "etcd-ts/testing";
    const etcd = await Etcd.memory();
    await etcd.client().lease.grant(10);
    console.log("done");
  `);
  assert.equal(output, "done");
});
