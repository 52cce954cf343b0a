/** `etcd join` against a running member: what it would do, what it does, and coming again. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EtcdClient } from "../client/index.ts";
import { within } from "../embed/e2e/wait.ts";
import { TestAuthority } from "../platform/tls/testing/authority.ts";
import { ETCD_PROGRAM, EtcdProcess } from "./testing/etcd-process.ts";
import { freePorts } from "../base/testing/free-ports.ts";
import { PATIENCE_MS } from "../base/testing/patience.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-join-"));
const running: ChildProcess[] = [];
after(async () => {
  for (const child of running.filter(
    ({ exitCode, signalCode }) => exitCode ?? signalCode === null,
  )) {
    child.kill("SIGKILL");
  }
  rmSync(scratch, { recursive: true, force: true });
});

interface Machine {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
  /** Default: its name. */
  readonly directory?: string;
}

function flagsOf({ name, client, peer, directory = name }: Machine): string[] {
  return [
    ...["--name", name, "--data-dir", join(scratch, directory)],
    ...["--listen-client-urls", client, "--advertise-client-urls", client],
    ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
  ];
}

function runJoin(url: string, machine: Machine, ...more: readonly string[]) {
  const args = [ETCD_PROGRAM, "join", url, ...more, ...flagsOf(machine)];
  return spawnSync(process.execPath, args, { encoding: "utf8", timeout: PATIENCE_MS });
}

function startJoin(url: string, machine: Machine, ...more: readonly string[]) {
  return startEtcd("join", url, ...more, ...flagsOf(machine));
}

/** Starts it; `said` resolves when its log has the text. */
function startEtcd(...args: readonly string[]) {
  const child = spawn(process.execPath, [ETCD_PROGRAM, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  running.push(child);
  let log = "";
  const waiting = new Set<() => void>();
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
    for (const look of waiting) look();
  });
  const said = (text: string): Promise<void> => {
    const found = new Promise<void>((resolve, reject) => {
      const look = (): void => {
        if (log.includes(text)) resolve();
      };
      waiting.add(look);
      child.once("close", () => reject(new Error(`ended before "${text}":\n${log}`)));
      look();
    });
    return within(found, text, PATIENCE_MS);
  };
  const kill = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  return { said, kill };
}

test("a machine joins by one command, and comes again by the same", async () => {
  const ports = await freePorts(6);
  const url = (i: number): string => `http://127.0.0.1:${ports[i] ?? 0}`;
  const first = {
    dataDirectory: join(scratch, "m"),
    clientPort: ports[0] ?? 0,
    peerPort: ports[1] ?? 0,
  };
  let member = new EtcdProcess(first);
  running.push(member.child);
  await member.serving();
  const joining: Machine = { name: "joined", client: url(2), peer: url(3) };
  await using client = new EtcdClient({ endpoints: url(0) });
  const names = async (): Promise<string[]> => {
    const { members } = await client.cluster.memberList({ linearizable: false });
    return members.map(({ name, isLearner }) => `${name}${isLearner ? " learns" : ""}`).sort();
  };

  const dry = runJoin(url(0), joining, "--dry-run");
  assert.equal(dry.status, 0, dry.stderr);
  assert.match(dry.stdout, /^cluster [0-9a-f]+ with 1 members\n {2}[0-9a-f]+ m http/);
  assert.match(dry.stdout, /would add joined at http.* as a learner, .*\nnothing was changed\n$/);
  assert.deepEqual(await names(), ["m"]);
  assert.equal(existsSync(join(scratch, "joined")), false);

  let joined = startJoin(url(0), joining);
  await joined.said("this member has caught up, and has a vote now");
  assert.deepEqual(await names(), ["joined", "m"]);

  // Neither can answer before the other is back.
  await joined.kill();
  await member.end("SIGKILL");
  joined = startJoin(url(0), joining);
  member = new EtcdProcess(first);
  running.push(member.child);
  await joined.said("ready to serve client requests");
  await member.serving();
  assert.deepEqual(await names(), ["joined", "m"]);

  await refusals(client, url(0), { client: url(4), peer: url(5) });
  await joined.kill();
  await member.end("SIGKILL");
});

test("a machine joins a cluster that speaks TLS everywhere, with certificates of its clients", async () => {
  const authority = new TestAuthority();
  const file = (name: string, content: string): string => {
    writeFileSync(join(scratch, name), content);
    return join(scratch, name);
  };
  const { cert, key } = authority.issue();
  const trusted = file("ca.crt", authority.cert);
  const [certFile, keyFile] = [file("m.crt", cert), file("m.key", key)];
  const flags = ["", "peer-"].flatMap((whose) => [
    ...[`--${whose}cert-file`, certFile, `--${whose}key-file`, keyFile],
    ...[`--${whose}trusted-ca-file`, trusted, `--${whose}client-cert-auth`],
  ]);
  const ports = await freePorts(6);
  const url = (i: number): string => `https://127.0.0.1:${ports[i] ?? 0}`;
  const machine = { name: "first", client: url(0), peer: url(1), directory: "tls-first" };
  const first = startEtcd(
    ...["--initial-cluster", `first=${url(1)}`, ...flags, ...flagsOf(machine)],
  );
  await first.said("serving client traffic securely");

  const second = { name: "second", client: url(2), peer: url(3), directory: "tls-second" };
  const stranger = runJoin(url(0), second);
  assert.equal(stranger.status, 1);
  assert.match(stranger.stderr, /certificate.*--trusted-ca-file must know its certificate/s);
  assert.equal(existsSync(join(scratch, "tls-second")), false);

  const joined = startJoin(url(0), second, ...flags);
  await joined.said("this member has caught up, and has a vote now");
  await using client = new EtcdClient({
    endpoints: url(2),
    tls: { ca: authority.cert, cert, key },
  });
  await client.kv.put("k", "v");
  const { members } = await client.cluster.memberList();
  assert.deepEqual(members.map(({ name }) => name).sort(), ["first", "second"]);
  await joined.kill();
  await first.kill();
});

/** Of a name that is taken, and of users who may not add members. */
async function refusals(
  client: EtcdClient,
  cluster: string,
  addresses: { readonly client: string; readonly peer: string },
): Promise<void> {
  const twin = runJoin(cluster, { ...addresses, name: "joined", directory: "twin" });
  assert.equal(twin.status, 1);
  assert.match(
    twin.stderr,
    /^etcd join: the name joined is taken by member .*\n {2}choose another/,
  );

  await client.auth.userAdd("root", "secret");
  await client.auth.userGrantRole("root", "root");
  await client.auth.enable();
  const third: Machine = { ...addresses, name: "third" };
  const stranger = runJoin(cluster, third);
  assert.equal(stranger.status, 1);
  assert.match(stranger.stderr, /does not let this user add members .*\n.*--join-user/);
  const known = runJoin(cluster, third, "--dry-run", "--join-user=root:secret");
  assert.equal(known.status, 0, known.stderr);
}

test("what cannot be is refused before anything is asked", () => {
  const machine: Machine = { name: "x", client: "http://127.0.0.1:1", peer: "http://127.0.0.1:2" };
  const unreachable = "http://127.0.0.1:1";
  const cases: readonly (readonly [flags: readonly string[], status: number, words: RegExp])[] = [
    [["--initial-cluster", "x=http://127.0.0.1:2"], 2, /leave out --initial-cluster:/],
    [["--discovery=http://127.0.0.1:1/t"], 2, /leave out --discovery:/],
    [["--no-such-flag"], 2, /flag provided but not defined: -no-such-flag/],
    [["--heartbeat-interval=0"], 1, /^etcd join: --heartbeat-interval must be >0/],
    [[], 1, /^etcd join: the cluster at .* does not answer .*\n {2}give the client URL/],
  ];
  for (const [flags, status, words] of cases) {
    const refused = runJoin(unreachable, machine, ...flags);
    assert.equal(refused.status, status, refused.stderr);
    assert.match(refused.stderr, words);
  }
  const lost = spawnSync(process.execPath, [ETCD_PROGRAM, "join"], { encoding: "utf8" });
  assert.deepEqual([lost.status, lost.stderr.split("\n")[0]], [2, "etcd join: no URL"]);
  const help = spawnSync(process.execPath, [ETCD_PROGRAM, "join", "--help"], { encoding: "utf8" });
  assert.equal(help.status, 0);
  assert.match(help.stdout, /etcd join URL \[--dry-run\]/);
});
