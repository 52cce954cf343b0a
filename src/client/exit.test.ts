/** A closed client keeps no process alive, and a waiting call does. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { extname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { EtcdClient } from "./index.ts";
import { soon } from "./testing/check.ts";
import { FaultyProxy } from "./testing/faulty-proxy.ts";
import { OUR_WORLD } from "./testing/world.ts";

const extension = extname(fileURLToPath(import.meta.url));
const program = fileURLToPath(new URL(`./testing/exit-program${extension}`, import.meta.url));

interface Run {
  readonly output: string;
  readonly code: number | null;
}

/** Ends by itself, or the test fails. */
function run(what: string, endpoint: string): Promise<Run> {
  const child = spawn(process.execPath, [program, what, endpoint], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<Run>((resolve) => {
    child.once("close", (code) => resolve({ output, code }));
  });
  return soon(ended, `the end of "${what}"`).finally(() => child.kill("SIGKILL"));
}

test("a process ends by itself when its client is closed", async () => {
  await using server = await OUR_WORLD.startServer();
  const { output, code } = await run("use", server.endpoint);
  assert.match(output, /done\n/);
  assert.equal(code, 0);
});

test("a client can be closed while it dials", async () => {
  // An address that answers nothing: packets to it are dropped or refused.
  const { output, code } = await run("close-while-dialling", "http://192.0.2.1:2379");
  assert.match(output, /done\n/);
  assert.equal(code, 0);
});

test("a process waits for a server that comes later", async () => {
  await using server = await OUR_WORLD.startServer();
  await using proxy = await FaultyProxy.start(server.endpoint);
  proxy.refuse();
  const running = run("wait", proxy.endpoint);
  // Between two attempts, nothing but a timer keeps the process alive.
  const attempts = soon(proxy.acceptedReach(4), "four attempts");
  await Promise.race([attempts, running]);
  proxy.restore();
  const { output, code } = await running;
  assert.match(output, /done\n/);
  assert.equal(code, 0);
  const client = new EtcdClient({ endpoints: server.endpoint });
  assert.equal((await client.kv.get("exit")).kv?.valueText, "waited");
  client.close();
});
