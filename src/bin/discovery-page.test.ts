/**
 * The commands of docs/discovery.md, in their order. Programs that serve go on in the background;
 * what is shown for etcd1 is done for three members.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../base/testing/package-root.ts";
import { within } from "../embed/e2e/wait.ts";
import { TestAuthority } from "../platform/tls/testing/authority.ts";
import { freePorts } from "../base/testing/free-ports.ts";
import { PATIENCE_MS } from "../base/testing/patience.ts";

const SERVES = /ready to serve client requests|serving discovery/;

const root = packageRoot();
const scratch = mkdtempSync(join(tmpdir(), "etcd-discovery-page-"));
const environment = {
  PATH: `${join(root, "bin")}:${process.env.PATH ?? ""}`,
  HOME: scratch,
  ETCD_NODE: process.execPath,
};
const serving: ChildProcess[] = [];
after(async () => {
  for (const child of serving.filter(({ exitCode }) => exitCode === null)) {
    child.kill();
    await new Promise((ended) => child.once("close", ended));
  }
  rmSync(scratch, { recursive: true, force: true });
});

const skip = spawnSync("curl", ["--version"]).status === 0 ? false : "curl is not installed";

/** The shell blocks with their addresses on this machine: 10.0.0.1 becomes 127.0.0.2, and so on. */
async function localBlocks(): Promise<string[]> {
  const ports = new Map<string, number>();
  const names = ["2379", "2380", "8087", "8088"];
  const free = await freePorts(names.length);
  for (const [i, name] of names.entries()) ports.set(name, free[i] ?? 0);
  const page = readFileSync(join(root, "docs", "discovery.md"), "utf8")
    .replace(/10\.0\.0\.(\d+)/g, (_, last: string) => `127.0.0.${Number(last) + 1}`)
    .replace(/:(2379|2380|8087|8088)\b/g, (_, port: string) => `:${ports.get(port)}`);
  return [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, code = ""]) => code);
}

async function serve(command: string): Promise<void> {
  const child = spawn("/bin/bash", ["-c", `exec ${command}`], {
    cwd: scratch,
    env: environment,
    stdio: ["ignore", "ignore", "pipe"],
  });
  serving.push(child);
  let log = "";
  const ready = new Promise<void>((resolve, reject) => {
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      log += text;
      if (SERVES.test(log)) resolve();
    });
    child.once("close", () => reject(new Error(`${command} ended:\n${log}`)));
  });
  await within(ready, `${command} to serve`, PATIENCE_MS);
}

/** The command as shown, and for the second and third machine. */
function forThree(command: string): string[] {
  if (!command.includes("--name etcd1")) return [command];
  return [1, 2, 3].map((n) =>
    command.replaceAll("etcd1", `etcd${n}`).replaceAll("127.0.0.2", `127.0.0.${n + 1}`),
  );
}

async function run(command: string): Promise<string> {
  if (/^etcd(-discovery| join \S+)? --(?!dry)/.test(command)) {
    await Promise.all(forThree(command).map(serve));
    return "";
  }
  const done = spawnSync("/bin/bash", ["-c", command], {
    cwd: scratch,
    env: environment,
    encoding: "utf8",
  });
  assert.equal(done.status, 0, `${command}${done.stderr}`);
  return done.stdout + done.stderr;
}

test(
  "clusters by the page on discovery: at a URL, at a service with TLS, at a v3 token",
  {
    skip,
  },
  async () => {
    const authority = new TestAuthority();
    const { cert, key } = authority.issue({ hosts: ["127.0.0.12"] });
    const files = { "ca.crt": authority.cert, "server.crt": cert, "server.key": key };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(scratch, name), text);
    const said: string[] = [];
    for (const block of await localBlocks()) {
      const words = await run(block);
      if (words !== "") said.push(words);
    }
    const [members = "", secureToken = "", size = "", health = "", plan = ""] = said;
    const names = members.split("\n").map((line) => line.split(", ")[2] ?? "");
    assert.deepEqual(names.sort(), ["", "etcd1", "etcd2", "etcd3"]);
    assert.match(secureToken, /^https:\/\/127\.0\.0\.12:\d+\/[0-9a-f]{32}$/);
    assert.equal(size, "OK\n");
    assert.match(health, / is healthy: /);
    assert.match(plan, /^cluster [0-9a-f]+ with 3 members\n(.*\n)+would add etcd5 at http/);
  },
);
