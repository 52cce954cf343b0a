/** How the program begins and ends: signals, and starts that must fail without changing anything. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ETCD_PROGRAM } from "./testing/etcd-process.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-lifecycle-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const LOCAL = "http://127.0.0.1:0";
const ADDRESSES: readonly string[] = [
  ...["--listen-client-urls", LOCAL, "--advertise-client-urls", LOCAL],
  ...["--listen-peer-urls", LOCAL, "--initial-advertise-peer-urls", LOCAL],
  ...["--initial-cluster", `default=${LOCAL}`],
];

/** A running program whose log is collected line by line. */
class Program {
  readonly #child;
  readonly #exited: Promise<unknown[]>;
  #log = "";
  #onLog: () => void = () => {};

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, [ETCD_PROGRAM, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#exited = once(this.#child, "exit");
    this.#child.stderr.setEncoding("utf8");
    this.#child.stderr.on("data", (text: string) => {
      this.#log += text;
      this.#onLog();
    });
  }

  lines(): Record<string, unknown>[] {
    return this.#log
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  messages(): unknown[] {
    return this.lines().map((line) => line.msg);
  }

  async logged(message: string): Promise<void> {
    const seen = new Promise<void>((resolve) => {
      this.#onLog = () => {
        if (this.messages().includes(message)) resolve();
      };
      this.#onLog();
    });
    const ended = this.#exited.then(() => {
      throw new Error(`it ended without "${message}":\n${this.#log}`);
    });
    await Promise.race([seen, ended]);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Exit code and signal. */
  async end(): Promise<readonly [number | null, NodeJS.Signals | null]> {
    await this.#exited;
    return [this.#child.exitCode, this.#child.signalCode];
  }
}

for (const [signal, word] of [
  ["SIGTERM", "terminated"],
  ["SIGINT", "interrupt"],
] as const) {
  test(`${signal} stops the member, and the process ends by the signal`, async () => {
    const program = new Program(["--data-dir", join(scratch, signal), ...ADDRESSES]);
    await program.logged("successfully notified init daemon");
    program.kill(signal);
    assert.deepEqual(await program.end(), [null, signal]);
    const told = program.lines().find((line) => line.msg === "received signal; shutting down");
    assert.equal(told?.signal, word);
    assert.ok(program.messages().includes("closed etcd server"));
  });
}

/** Runs until it ends by itself; the error of its fatal line. */
async function fatalError(args: readonly string[]): Promise<string> {
  const program = new Program([...args]);
  assert.deepEqual(await program.end(), [1, null]);
  const fatal = program.lines().find((line) => line.level === "fatal");
  assert.ok(fatal !== undefined, JSON.stringify(program.messages()));
  return `${String(fatal.msg)}: ${String(fatal.error)}`;
}

test("a port in use is told, and no data directory is left behind", async () => {
  const blocker = createServer().listen(0, "127.0.0.1");
  await once(blocker, "listening");
  const address = blocker.address();
  const port = typeof address === "object" ? address?.port : 0;
  const dataDir = join(scratch, "port-in-use");
  const url = `http://127.0.0.1:${port}`;
  const error = await fatalError([
    ...["--data-dir", dataDir, ...ADDRESSES],
    ...["--listen-client-urls", url, "--advertise-client-urls", url],
  ]);
  blocker.close();
  assert.equal(
    error,
    `discovery failed: listen tcp 127.0.0.1:${port}: bind: address already in use`,
  );
  assert.equal(existsSync(dataDir), false);
});

test("a data directory is used by one process at a time; the next one waits and takes over", async () => {
  const args = ["--data-dir", join(scratch, "locked"), ...ADDRESSES];
  const first = new Program(args);
  await first.logged("successfully notified init daemon");
  const second = new Program(args);
  await second.logged("configuring client listeners");
  first.kill("SIGTERM");
  assert.deepEqual(await first.end(), [null, "SIGTERM"]);
  await second.logged("successfully notified init daemon");
  assert.ok(second.messages().includes("server has already been initialized"));
  second.kill("SIGTERM");
  await second.end();
});

test("a data directory that cannot be used is refused and stays as it was", async () => {
  const file = join(scratch, "a-file");
  writeFileSync(file, "mine");
  assert.match(
    await fatalError(["--data-dir", file, ...ADDRESSES]),
    /^failed to list data directory: readdirent .*a-file: not a directory$/,
  );
  const both = join(scratch, "both");
  mkdirSync(join(both, "member"), { recursive: true });
  mkdirSync(join(both, "proxy"));
  assert.match(
    await fatalError(["--data-dir", both, ...ADDRESSES]),
    /^invalid datadir; both member and proxy directories exist/,
  );
  assert.deepEqual(readdirSync(both), ["member", "proxy"]);
});

test(
  "too few file descriptors are told before anything is loaded or changed",
  {
    skip: process.platform !== "linux",
  },
  () => {
    const dataDir = join(scratch, "few-descriptors");
    for (const limit of [150, 60]) {
      const line = `ulimit -n ${limit}; exec "$0" "$@"`;
      const args = [process.execPath, ETCD_PROGRAM, "--data-dir", dataDir, ...ADDRESSES];
      const { status, stderr } = spawnSync("sh", ["-c", line, ...args], { encoding: "utf8" });
      assert.equal(status, 1, stderr);
      const fatal = stderr.split("\n").find((text) => text.includes('"level":"fatal"'));
      const { msg, limit: told, ...fields } = JSON.parse(fatal ?? "{}");
      assert.equal(msg, "file descriptor limit of etcd process is too low; please set higher");
      assert.deepEqual([told, fields["recommended-limit"]], [limit, 150]);
    }
    assert.equal(existsSync(dataDir), false);
  },
);

test("a directory without permission is refused", async (t) => {
  if (process.getuid?.() === 0) {
    t.skip("root may write everywhere");
    return;
  }
  const closed = join(scratch, "closed");
  mkdirSync(closed);
  chmodSync(closed, 0o500);
  const error = await fatalError(["--data-dir", join(closed, "data"), ...ADDRESSES]);
  assert.match(error, /cannot access data directory.*permission denied/);
});

test("mistakes that a start finds end it in etcd's words", async () => {
  for (const [flag, value, message] of [
    [
      "--auto-compaction-retention",
      "x",
      'error parsing CompactionRetention: time: invalid duration "x"',
    ],
    ["--cipher-suites", "foo", 'unexpected TLS cipher suite "foo"'],
  ] as const) {
    const error = await fatalError([flag, value, "--data-dir", join(scratch, "x"), ...ADDRESSES]);
    assert.equal(error, `discovery failed: ${message}`);
  }
});
