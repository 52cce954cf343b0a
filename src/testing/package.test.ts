/** What a program gets that imports the package, as it was built. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Runs a module of this text in a process of its own, and returns what it prints. */
function run(text: string): string {
  return runWith(["--input-type=module", "--eval", text]);
}

function runWith(args: readonly string[]): string {
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

test("`require` gives what `import` gives, with the same classes", () => {
  const output = run(`
    import { createRequire } from "node:module";
    const require = createRequire(process.cwd() + "/script.cjs");
    const same = [];
    for (const name of ["etcd-ts", "etcd-ts/client", "etcd-ts/testing"]) {
      const imported = await import(name);
      const required = require(name);
      same.push(Object.keys(required).length > 1);
      same.push(Object.keys(required).every((key) => imported[key] === required[key]));
    }
    console.log(same.join());
  `);
  assert.equal(output, "true,true,true,true,true,true");
});

test("a member that a program embeds hashes passwords, and its log names the source", () => {
  const script = `
    const { mkdtempSync, readFileSync, rmSync } = require("node:fs");
    const { join } = require("node:path");
    const { createConfig, startEtcd } = require("etcd-ts");
    const { EtcdClient } = require("etcd-ts/client");
    const dataDir = mkdtempSync(join(require("node:os").tmpdir(), "embedded-"));
    const urls = ["http://127.0.0.1:0"];
    const logOutputs = [join(dataDir, "log")];
    async function main() {
      const options = { dataDir, listenClientUrls: urls, listenPeerUrls: urls, logOutputs };
      const etcd = await startEtcd(createConfig(options));
      await etcd.ready;
      const client = new EtcdClient({ endpoints: etcd.clientAddresses });
      await client.auth.userAdd("root", "secret");
      client.close();
      await etcd.stop();
      const callers = readFileSync(logOutputs[0], "utf8").trim().split("\\n")
        .map((line) => JSON.parse(line).caller);
      console.log(callers.length > 10, callers.filter((caller) => !/\\.ts:\\d+$/.test(caller)));
    }
    main().finally(() => rmSync(dataDir, { recursive: true }));
  `;
  assert.equal(runWith(["--eval", script]), "true []");
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

test("the fake timers of a test runner do not stop members, disks or clients", () => {
  const output = run(`
    import { Etcd } from "etcd-ts/testing";
    import { EtcdClient } from "etcd-ts/client";
    const faked = ["setTimeout", "setInterval", "setImmediate", "queueMicrotask"];
    const real = Object.fromEntries(faked.map((name) => [name, globalThis[name]]));
    for (const name of faked) globalThis[name] = () => ({ unref() {} });
    for (const begin of [() => Etcd.memory({ listen: true }), () => Etcd.cluster(3)]) {
      const etcd = await begin();
      const client = etcd.client();
      const { ID } = await client.lease.grant(10);
      await client.kv.put("k", "1", { lease: ID });
      await etcd.clock.advance("20s");
      const fork = await etcd.fork();
      console.log(JSON.stringify(fork.dump()));
      await fork.close();
      await etcd.close();
    }
    const etcd = await Etcd.memory({ listen: true });
    const client = new EtcdClient({ endpoints: etcd.urls });
    await client.kv.put("k", "1");
    client.close();
    await etcd.close();
    Object.assign(globalThis, real);
  `);
  assert.equal(output, "{}\n{}");
});
