/**
 * Tools that rotate logs send SIGUSR1 or SIGUSR2, timers SIGALRM. Go's programs ignore them; Node
 * opened its debugger on 127.0.0.1:9229 at the first, where any user of the machine could run code
 * as the member, and ended at the others.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { EtcdProcess } from "./testing/etcd-process.ts";
import { freePorts } from "../base/testing/free-ports.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-signals-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const COMMANDS = packageFolder("bin");
/** As numbers on Linux: USR1 USR2 ALRM VTALRM PROF XCPU IO PWR, and three real-time signals. */
const IGNORED = ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "XCPU", "IO", "PWR", "35", "50", "64"];
const isLinux = process.platform === "linux";

function packageFolder(name: string): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, name, "launch.sh"))) folder = dirname(folder);
  return join(folder, name);
}

async function member(name: string, command?: readonly [string]): Promise<EtcdProcess> {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  return new EtcdProcess({
    dataDirectory: join(scratch, name),
    clientPort,
    peerPort,
    ...(command === undefined ? {} : { command }),
  });
}

function send(signal: string, pid: number | undefined): void {
  const { status, stderr } = spawnSync("sh", ["-c", `kill -s ${signal} ${pid}`], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stderr);
}

/** Ports on which the process accepts connections, as the kernel lists them. */
function listeningPorts(pid: number | undefined): number[] {
  const files = `/proc/${pid}/fd`;
  const sockets = new Set(
    readdirSync(files).map((fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(join(files, fd)))?.[1]),
  );
  const ports: number[] = [];
  for (const table of ["tcp", "tcp6"]) {
    for (const line of readFileSync(`/proc/${pid}/net/${table}`, "latin1").split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      // 0A: the kernel's number for listening.
      if (state !== "0A" || !sockets.has(inode)) continue;
      ports.push(Number.parseInt(local.slice(local.indexOf(":") + 1), 16));
    }
  }
  return ports.sort((a, b) => a - b);
}

test(
  "a member ignores what etcd ignores, and no debugger listens",
  { skip: !isLinux },
  async () => {
    const etcd = await member("running", [join(COMMANDS, "etcd")]);
    await etcd.serving();
    const before = listeningPorts(etcd.child.pid);
    for (const signal of IGNORED) send(signal, etcd.child.pid);
    const [, port] = /"serving client traffic.*?:(\d+)"/.exec(etcd.log) ?? [];
    const version = await fetch(`http://127.0.0.1:${port}/version`);
    assert.equal(version.status, 200);
    assert.deepEqual(listeningPorts(etcd.child.pid), before);
    assert.equal(before.length, 2, "the ports of clients and peers");
    await etcd.end("SIGTERM");
    assert.doesNotMatch(etcd.log, /Debugger listening|Starting inspector/);
  },
);

test("SIGUSR1 opens nothing while a member starts and stops", { skip: !isLinux }, async () => {
  const etcd = await member("starting", [join(COMMANDS, "etcd")]);
  const commandLine = `/proc/${etcd.child.pid}/cmdline`;
  while (!readFileSync(commandLine, "latin1").includes("--inspect-port")) await sleep(1);
  const sending = setInterval(() => etcd.child.kill("SIGUSR1"), 2);
  await etcd.serving();
  assert.equal(listeningPorts(etcd.child.pid).length, 2);
  await etcd.end("SIGTERM");
  clearInterval(sending);
  assert.equal(await etcd.exit(), "SIGTERM");
  assert.doesNotMatch(etcd.log, /Debugger listening/);
});

test(
  "a debugger opened before the first line of a member is closed",
  {
    skip: !isLinux,
  },
  async () => {
    const etcd = await member("direct");
    while (!isCaught(SIGUSR1, etcd.child.pid)) await sleep(1);
    etcd.child.kill("SIGUSR1");
    await etcd.serving();
    assert.equal(listeningPorts(etcd.child.pid).length, 2);
    await etcd.end("SIGTERM");
  },
);

const SIGUSR1 = 10;

/** Whether the process has a handler for the signal, Node's own included. */
function isCaught(signal: number, pid: number | undefined): boolean {
  const mask = /^SigCgt:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return (BigInt(`0x${mask}`) & (1n << BigInt(signal - 1))) !== 0n;
}

test("the client ignores them too", { skip: !isLinux }, async () => {
  const etcd = await member("for-the-client");
  await etcd.serving();
  const [, port] = /"serving client traffic.*?:(\d+)"/.exec(etcd.log) ?? [];
  const args = ["--endpoints", `127.0.0.1:${port}`, "watch", "", "--prefix", "--rev", "1"];
  const watch = spawn(join(COMMANDS, "etcdctl"), args, { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(watch, "exit");
  let printed = "";
  watch.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const seesPut = async (value: string): Promise<void> => {
    const body = JSON.stringify({ key: "aw==", value: Buffer.from(value).toString("base64") });
    await fetch(`http://127.0.0.1:${port}/v3/kv/put`, { method: "POST", body });
    while (!printed.includes(value)) await once(watch.stdout, "data");
  };
  await seesPut("before");
  for (const signal of IGNORED) send(signal, watch.pid);
  await seesPut("after");
  assert.deepEqual(listeningPorts(watch.pid), []);
  watch.kill("SIGTERM");
  assert.deepEqual(await exited, [null, "SIGTERM"]);
  await etcd.end("SIGTERM");
});
