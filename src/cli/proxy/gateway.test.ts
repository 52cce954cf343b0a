/** `etcd gateway start` with a world of its own: what it takes from DNS and what it refuses. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { MemoryLogger } from "../../env/testing/memory-logger.ts";
import { SeededRandom } from "../../env/testing/seeded-random.ts";
import { VirtualClock } from "../../env/testing/virtual-clock.ts";
import type { Io } from "../framework/io.ts";
import { runTool } from "../framework/run-tool.ts";
import type { ClientSrvRecord } from "../framework/srv-lookup.ts";
import { proxyTable } from "./command-table.ts";
import type { ProxyDeps, TlsTrial } from "./deps.ts";

function record(scheme: string, host: string): ClientSrvRecord {
  return { url: `${scheme}://${host}:2379`, host, port: 2379, priority: 0, weight: 0 };
}

const RECORDS = [record("https", "good."), record("https", "bad."), record("http", "plain.")];

/** Runs a command line that ends by itself. */
async function run(line: string, changes: Partial<ProxyDeps> = {}) {
  const logger = new MemoryLogger();
  const trials: TlsTrial[] = [];
  let text = "";
  const take = (data: string | Uint8Array): void => {
    text += String(data);
  };
  const clock = new VirtualClock();
  const stdin = {
    isTerminal: false,
    readLine: async () => undefined,
    readAll: async () => Buffer.alloc(0),
  };
  const io: Io = {
    argv: line.split(" "),
    env: {},
    out: take,
    err: take,
    status: () => undefined,
    stdin,
    clock,
  };
  const deps: ProxyDeps = {
    clock,
    random: new SeededRandom(1),
    logger,
    commandLine: ["etcd"],
    maxConnections: undefined,
    duplicate: undefined,
    localAddresses: () => ["10.0.0.7", "127.0.0.1"],
    lookUp: async (host) => {
      if (host.endsWith(".invalid")) throw new Error("no such host");
      return [host];
    },
    srvRecords: async () => ({ records: RECORDS }),
    tryTls: async (trial) => {
      trials.push(trial);
      if (trial.host === "bad.") throw new Error("connect: connection refused");
    },
    grpc: () => assert.fail("no grpc-proxy is asked for"),
    notifyReady: () => undefined,
    ...changes,
  };
  const about = { version: "3.6.14", apiVersion: "3", helpLayout: "titled" } as const;
  const code = await runTool(
    proxyTable(async () => deps),
    about,
    io,
  );
  const lines = logger.lines.map(({ message, fields }) => [message, fields] as const);
  return { code, text, trials, lines };
}

/** A port in use ends the start behind everything that is of interest here. */
async function heldPort(t: { after(run: () => void): void }): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test("endpoints from DNS are kept if their certificate is for the domain", async (t) => {
  const port = await heldPort(t);
  const line = `gateway start --discovery-srv=a.test --trusted-ca-file=ca --listen-addr=127.0.0.1:${port}`;
  const { code, text, trials, lines } = await run(line);
  assert.equal(code, 1);
  assert.equal(text, `listen tcp 127.0.0.1:${port}: bind: address already in use\n`);
  assert.deepEqual(
    trials,
    ["good.", "bad."].map((host) => ({
      host,
      port: 2379,
      serverName: "a.test",
      trustedCaFile: "ca",
    })),
  );
  const found = RECORDS.map(({ url }) => url);
  assert.deepEqual(lines.slice(1), [
    ["discovered cluster from SRV", { "srv-server": "a.test", endpoints: found }],
    ["validating discovered SRV endpoints", { "srv-server": "a.test", endpoints: found }],
    [
      "failed to validate discovered endpoints",
      {
        "srv-server": "a.test",
        endpoints: ["https://good.:2379"],
        error:
          '"https://bad.:2379" failed to dial (connect: connection refused),"http://plain.:2379" is insecure',
      },
    ],
  ]);
});

test("with --insecure-discovery nobody is asked for a certificate", async (t) => {
  const port = await heldPort(t);
  const flags = `--discovery-srv=a.test --insecure-discovery --listen-addr=127.0.0.1:${port}`;
  const { trials, lines } = await run(`gateway start ${flags}`);
  assert.deepEqual(trials, []);
  assert.deepEqual(lines.at(-1)?.[0], "discovered cluster from SRV");
});

test("a failure of DNS ends the start with its text", async () => {
  const srvRecords = async () => ({ error: "dns lookup errors: a and b" });
  const { code, text } = await run("gateway start --discovery-srv=a.test", { srvRecords });
  assert.deepEqual([code, text], [1, "dns lookup errors: a and b\n"]);
});

const REFUSED: readonly (readonly [flags: string, text: string])[] = [
  ["--endpoints=10.0.0.1", 'error parsing endpoint "10.0.0.1"'],
  ["--listen-addr=127.0.0.1", "failed to validate listen address: 127.0.0.1\n"],
  ["--listen-addr=a.invalid:1", "failed to resolve listen host: a.invalid\n"],
  ["--endpoints=http://a.invalid:1", "failed to resolve endpoint host: a.invalid\n"],
  ["--endpoints=", "no endpoints found\n"],
  [
    "--endpoints=127.0.0.1:23790",
    "SRV or endpoint (127.0.0.1:23790->127.0.0.1:23790) should not resolve to the gateway listen addr (127.0.0.1:23790)\n",
  ],
  [
    "--endpoints=10.0.0.7:1,10.0.0.7:2 --listen-addr=0.0.0.0:2",
    "SRV or endpoint (10.0.0.7:2->10.0.0.7:2) should not resolve to the gateway listen addr (0.0.0.0:2)\n",
  ],
];
for (const [flags, expected] of REFUSED) {
  test(`refused: ${flags}`, async () => {
    const { code, text } = await run(`gateway start ${flags}`);
    assert.deepEqual([code, text], [1, expected]);
  });
}
