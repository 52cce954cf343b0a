/**
 * Starts that must fail: mistakes on the command line, ports and directories in use, foreign and
 * damaged data. The exit code and the words are compared with a reference etcd where it has any;
 * nothing on disk may change.
 */
import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import { RpcClient } from "../src/embed/e2e/rpc-client.ts";
import { binaryOf, type EtcdKind, missing, startEtcd, versionOf } from "./harness.ts";
import { freePorts } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-refused-"));
let clientPort = 0;
let peerPort = 0;
let holder: Server;
let heldPort = 0;
/** A data directory of ours that was stopped cleanly. */
const goodDirectory = join(scratch, "good");

before(async () => {
  [clientPort = 0, peerPort = 0] = await freePorts(2);
  holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const address = holder.address();
  heldPort = typeof address === "object" && address !== null ? address.port : 0;
  if (missing("ours") !== false) return;
  await using etcd = await startEtcd({ dataDir: goodDirectory });
  const client = await RpcClient.connect(Number(new URL(etcd.clientUrl).port));
  for (let i = 0; i < 200; i++) await client.put(`key ${i}`, "x".repeat(500));
  client.close();
  await etcd.stop();
});
after(() => {
  holder.close();
  rmSync(scratch, { recursive: true, force: true });
});

function run(kind: EtcdKind, args: readonly string[]): SpawnSyncReturns<string> {
  const isOld = kind === "reference" && versionOf(kind)?.startsWith("3.4.") === true;
  const { PATH = "" } = process.env;
  return spawnSync(binaryOf(kind), [...(isOld ? ["--logger=zap"] : []), ...args], {
    encoding: "utf8",
    timeout: PATIENCE_MS,
    killSignal: "SIGKILL",
    cwd: scratch,
    env: { PATH, ETCD_NODE: process.execPath },
  });
}

/** The last words of a process: what a person sees who looks why it did not start. */
function lastWords({ status, signal, stderr }: SpawnSyncReturns<string>): string {
  const lines = stderr.trim().split("\n");
  const exit = status ?? signal ?? "";
  if (status === 2) return `exit ${exit}: ${lines[0]}`;
  const line = lines.findLast((each) => /"level":"(warn|error|fatal|panic)"/.test(each));
  if (line === undefined) return `exit ${exit}: ${lines.at(-1)}`;
  const { msg, error } = JSON.parse(line) as { msg: string; error?: string };
  return `exit ${exit}: ${msg}${error === undefined ? "" : `: ${error}`}`;
}

/** Every file and directory below a path, with size and content. */
function fingerprint(path: string): string[] {
  if (!existsSync(path)) return ["absent"];
  if (!statSync(path).isDirectory()) return [contentOf(path)];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const full = join(entry.parentPath, entry.name);
      const name = relative(path, full);
      return entry.isDirectory() ? `${name}/` : `${name} ${contentOf(full)}`;
    })
    .sort();
}

function contentOf(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

function listenFlags(): string[] {
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  return [
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
  ];
}

interface Mistake {
  readonly name: string;
  readonly args: () => readonly string[];
  /** What ours says. */
  readonly words: RegExp;
  /** The reference's 3.4 says it differently; later ones as ours. */
  readonly unlike34?: boolean;
}

const MISTAKES: readonly Mistake[] = [
  {
    name: "an unknown flag",
    args: () => ["--no-such-flag"],
    words: /^exit 2: flag provided but not defined: -no-such-flag$/,
  },
  {
    name: "a flag without its value",
    args: () => ["--name"],
    words: /^exit 2: flag needs an argument: -name$/,
  },
  {
    name: "a number that is none",
    args: () => ["--snapshot-count=many"],
    words: /^exit 2: invalid value "many" for flag -snapshot-count: parse error$/,
  },
  {
    name: "an argument that is no flag",
    args: () => ["straw"],
    words: /^exit 1: failed to verify flags: "straw" is not a valid flag$/,
    unlike34: true,
  },
  {
    name: "an address without scheme",
    args: () => ["--listen-client-urls=127.0.0.1:2379"],
    words: /^exit 2: invalid value .* first path segment in URL cannot contain colon$/,
  },
  {
    name: "an address with a path",
    args: () => ["--listen-client-urls=http://127.0.0.1:2379/x"],
    words: /^exit 2: .*URL must not contain a path: http:\/\/127\.0\.0\.1:2379\/x$/,
  },
  {
    name: "an address without port",
    args: () => ["--listen-peer-urls=http://127.0.0.1"],
    words: /^exit 2: .*URL address does not have the form "host:port": http:\/\/127\.0\.0\.1$/,
  },
  {
    name: "a name to listen on",
    args: () => [
      "--listen-client-urls=http://example.com:2379",
      "--advertise-client-urls=http://example.com:2379",
    ],
    words: /^exit 1: failed to verify flags: expected IP in URL for binding/,
  },
  {
    name: "client addresses that nobody is told",
    args: () => ["--listen-client-urls=http://127.0.0.1:2379"],
    words: /^exit 1: advertise client URLs are not set: --advertise-client-urls is required when/,
  },
  {
    name: "an unknown cluster state",
    args: () => ["--initial-cluster-state=sideways"],
    words: /^exit 2: invalid value "sideways" for flag -initial-cluster-state: invalid value$/,
  },
  {
    name: "a configuration file that is missing",
    args: () => ["--config-file=/nowhere.yaml"],
    words: /^exit 1: failed to verify flags: open \/nowhere\.yaml: no such file or directory$/,
    unlike34: true,
  },
  {
    name: "an election timeout close to the heartbeat",
    args: () => ["--election-timeout=200"],
    words: /^exit 1: failed to verify flags: --election-timeout\[200ms\] should be at least as 5/,
  },
  {
    name: "a data directory that cannot be made",
    args: () => [...listenFlags(), "--data-dir=/proc/no-such-place"],
    words: /^exit 1: discovery failed: cannot access data directory: mkdir \/proc\/no-such-place: /,
  },
  {
    name: "a client port in use",
    args: () => [
      ...listenFlags().slice(2),
      `--listen-client-urls=http://127.0.0.1:${heldPort}`,
      `--advertise-client-urls=http://127.0.0.1:${heldPort}`,
    ],
    words: /^exit 1: discovery failed: listen tcp 127\.0\.0\.1:\d+: bind: address already in use$/,
  },
  {
    name: "a peer port in use",
    args: () => {
      const peer = `http://127.0.0.1:${heldPort}`;
      return [
        ...listenFlags().slice(0, 2),
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=default=${peer}`,
      ];
    },
    words: /^exit 1: discovery failed: listen tcp 127\.0\.0\.1:\d+: bind: address already in use$/,
  },
  {
    name: "an initial cluster without this member",
    args: () => [...listenFlags(), "--name=other"],
    words: /^exit 1: discovery failed: couldn't find local name "other" in the initial cluster/,
  },
  {
    name: "an initial cluster with other addresses",
    args: () => [
      ...listenFlags().slice(0, 3),
      `--initial-advertise-peer-urls=http://127.0.0.1:1`,
      ...listenFlags().slice(4),
    ],
    words:
      /^exit 1: discovery failed: --initial-cluster has default=.* but missing from --initial-adv/,
  },
];

test(
  "mistakes are refused with etcd's exit code and words, and no directory is made",
  { skip: missing("ours") },
  () => {
    const hasReference = missing("reference") === false;
    const isOld = versionOf("reference")?.startsWith("3.4.") === true;
    for (const { name, args, words, unlike34 } of MISTAKES) {
      const dataDir = join(scratch, "never");
      const given = [`--data-dir=${dataDir}`, ...args()];
      const result = run("ours", given);
      assert.match(lastWords(result), words, name);
      assert.equal(result.stdout, "", name);
      assert.deepEqual(fingerprint(dataDir), ["absent"], name);
      if (!hasReference || (unlike34 === true && isOld)) continue;
      const expected = run("reference", given);
      rmSync(dataDir, { recursive: true, force: true });
      assert.equal(lastWords(result), lastWords(expected), name);
    }
  },
);

interface BadDirectory {
  readonly name: string;
  /** Makes the directory bad; it is a copy of a good one. */
  readonly prepare: (dataDir: string) => void;
  readonly words: RegExp;
}

function walFile(dataDir: string): string {
  const directory = join(dataDir, "member", "wal");
  const [name = ""] = readdirSync(directory).filter((each) => each.endsWith(".wal"));
  return join(directory, name);
}

function dbFile(dataDir: string): string {
  return join(dataDir, "member", "snap", "db");
}

function overwrite(path: string, at: number, content: Uint8Array): void {
  const file = openSync(path, "r+");
  writeSync(file, content, 0, content.length, at);
  closeSync(file);
}

function flipBit(path: string, at: number): void {
  const byte = readFileSync(path)[at] ?? 0;
  overwrite(path, at, Uint8Array.of(byte ^ 1));
}

const BAD_DIRECTORIES: readonly BadDirectory[] = [
  {
    name: "a flipped bit in the middle of the WAL",
    prepare: (dataDir) => flipBit(walFile(dataDir), 20_000),
    words: /^exit 1: .*0000000000000000-0000000000000000\.wal.*(?:offset|at)\D*\d+/,
  },
  {
    name: "a WAL whose beginning is gone",
    prepare: (dataDir) => overwrite(walFile(dataDir), 0, new Uint8Array(4096)),
    words: /^exit 1: .*\.wal/,
  },
  {
    name: "a db without valid meta pages",
    prepare: (dataDir) => overwrite(dbFile(dataDir), 0, new Uint8Array(8192)),
    words: /^exit 1: .*snap\/db.*meta/,
  },
  {
    name: "a db that is cut off",
    prepare: (dataDir) => truncateSync(dbFile(dataDir), 16_384),
    words: /^exit 1: .*snap\/db/,
  },
  {
    name: "a db that is something else",
    prepare: (dataDir) => writeFileSync(dbFile(dataDir), "not a database ".repeat(2000)),
    words: /^exit 1: .*snap\/db/,
  },
  {
    name: "a db without its WAL",
    prepare: (dataDir) => rmSync(join(dataDir, "member", "wal"), { recursive: true }),
    words: /^exit 1: .*no WAL in/,
  },
  {
    name: "a directory of a member and of a proxy",
    prepare: (dataDir) => mkdirSync(join(dataDir, "proxy")),
    words: /^exit 1: .*invalid datadir/,
  },
  {
    name: "a file instead of a directory",
    prepare: (dataDir) => {
      rmSync(dataDir, { recursive: true });
      writeFileSync(dataDir, "");
    },
    words: /^exit 1: failed to list data directory: .*not a directory$/,
  },
];

for (const { name, prepare, words } of BAD_DIRECTORIES) {
  test(`${name} refuses the start, and nothing is changed`, { skip: missing("ours") }, () => {
    const dataDir = join(scratch, "bad");
    rmSync(dataDir, { recursive: true, force: true });
    cpSync(goodDirectory, dataDir, { recursive: true });
    prepare(dataDir);
    const untouched = fingerprint(dataDir);
    const result = run("ours", [...listenFlags(), `--data-dir=${dataDir}`]);
    assert.match(lastWords(result), words);
    assert.deepEqual(fingerprint(dataDir), untouched);
  });
}

test(
  "a second process waits for a directory in use, and takes over when the first is killed",
  { skip: missing("ours") },
  async () => {
    const dataDir = join(scratch, "in-use");
    cpSync(goodDirectory, dataDir, { recursive: true });
    await using first = await startEtcd({ dataDir });
    const taking = startEtcd({ dataDir });
    const client = await RpcClient.connect(Number(new URL(first.clientUrl).port));
    await client.put("still", "served");
    client.close();
    await first.stop("SIGKILL");
    await using second = await taking;
    const again = await RpcClient.connect(Number(new URL(second.clientUrl).port));
    assert.equal((await again.range("still")).count, 1);
    again.close();
  },
);

test(
  "strange files in a data directory are named and left alone",
  { skip: missing("ours") },
  async () => {
    const dataDir = join(scratch, "strange");
    cpSync(goodDirectory, dataDir, { recursive: true });
    writeFileSync(join(dataDir, "notes.txt"), "mine");
    await using etcd = await startEtcd({ dataDir });
    assert.match(etcd.logText, /found invalid file under data directory.*notes\.txt/);
    assert.equal(readFileSync(join(dataDir, "notes.txt"), "utf8"), "mine");
  },
);
