/**
 * `etcd gateway` beside a reference etcd: help, refused command lines, exit codes, and a cluster
 * behind it that loses a member.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { RpcClient } from "../src/embed/e2e/rpc-client.ts";
import { binaryOf, type EtcdKind, missing, startEtcd } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const skip = missing("ours") || missing("reference");

const LINES = [
  "gateway",
  "gateway --help",
  "gateway foo",
  "gateway help",
  "gateway -x",
  "gateway start --help",
  "gateway start --bogus",
  "gateway start -x",
  "gateway start --retry-delay=x",
  "gateway start --insecure-discovery=x",
  "gateway start --endpoints",
  "gateway start --endpoints=127.0.0.1",
  "gateway start --endpoints=http://127.0.0.1",
  "gateway start --endpoints= --listen-addr=127.0.0.1:1",
  "gateway start --endpoints=nohost.invalid:1",
  "gateway start --endpoints=127.0.0.1:23790",
  "gateway start --endpoints=https://127.0.0.1:23790/x",
  "gateway start --endpoints=127.0.0.1:abc --listen-addr=127.0.0.1:0",
  "gateway start --listen-addr=127.0.0.1",
  "gateway start --listen-addr=nohost.invalid:1",
  "gateway start --listen-addr=:23790",
  "gateway start --listen-addr=1.2.3.4:5000",
  "gateway start --discovery-srv=example.invalid",
  "gateway start --discovery-srv=example.invalid --discovery-srv-name=x",
];

/** Whether a name server answers is the machine's; why none does has other words in Go. */
const NO_ANSWER =
  / on \S+: (?:(?:dial|read) udp \S+ )?(?:(?:connect|read): )?(?:connection refused|network is unreachable|i\/o timeout)/g;

/** Log lines differ over the releases. */
function run(kind: EtcdKind, line: string) {
  const { stdout, stderr, status } = spawnSync(binaryOf(kind), line.split(" "), {
    encoding: "utf8",
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
    env: { PATH: process.env.PATH ?? "", ETCD_NODE: process.execPath },
  });
  const words = stderr.replace(/^\{"level".*\n/gm, "").replace(NO_ANSWER, ": no answer");
  return { status, stdout, stderr: words };
}

for (const line of LINES) {
  test(`etcd ${line}`, { skip }, () => {
    assert.deepEqual(run("ours", line), run("reference", line));
  });
}

async function startGateway(t: TestContext, endpoints: readonly string[]): Promise<number> {
  const [port = 0] = await freePorts(1);
  const args = ["gateway", "start", `--listen-addr=127.0.0.1:${port}`];
  const child = spawn(binaryOf("ours"), [...args, `--endpoints=${endpoints.join(",")}`], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ETCD_NODE: process.execPath },
  });
  t.after(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  let log = "";
  for await (const text of child.stderr) {
    log += text;
    if (log.includes("ready to proxy client requests")) return port;
  }
  throw new Error(`the gateway ended: ${log}`);
}

test("clients of a gateway reach the member that is left", { skip }, async (t) => {
  await using first = await startEtcd({});
  await using second = await startEtcd({});
  const port = await startGateway(t, [first.clientUrl, second.clientUrl]);
  for (const name of ["a", "b"]) {
    const client = await RpcClient.connect(port);
    await client.put("key", name);
    client.close();
  }
  await first.stop();
  for (let i = 0; i < 3; i++) {
    const client = await RpcClient.connect(port);
    const { kvs } = await client.range("key");
    assert.equal(kvs.length, 1);
    client.close();
  }
});
