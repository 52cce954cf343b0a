/**
 * Our etcdctl and Debian's (written in Go) run the same command lines against members of the same
 * etcd: what they print and how they exit must be equal, except for the exact list in
 * etcdctl-tool-differences.ts. A difference that is not listed fails, and so does a listed one that
 * is gone or has changed. Log lines on standard error are not compared.
 *
 * `ETCDCTL_TOOL_DIFFERENCES=FILE` writes the list as it is now; `ETCDCTL` names another program to
 * compare with, `ETCD_BINARY` another etcd.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ETCDCTL_TOOL_CASES, type ToolCase } from "./etcdctl-tool-cases.ts";
import { ETCDCTL_TOOL_DIFFERENCES } from "./etcdctl-tool-differences.ts";
import { type EtcdProcess, missing, repositoryRoot, startEtcd } from "./harness.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const REFERENCE = process.env.ETCDCTL ?? "etcdctl";
const OURS = join(repositoryRoot, "bin", "etcdctl");
/** Both members have the ids that follow from this address. */
const PEER_URL = "http://127.0.0.1:2380";

/** As JSON, or in 3.4 as text. */
const LOG_LINE = /^(\{"level"|\d{4}-\d\d-\d\d [\d:.]+ [A-Z] \| ).*\n/gm;

interface Outcome {
  readonly name: string;
  readonly text: string;
}

function releaseOf(program: string): string | undefined {
  const run = spawnSync(program, ["version"], {
    encoding: "utf8",
    env: { PATH: process.env.PATH ?? "", ETCDCTL_API: "3" },
  });
  return /^etcdctl version: (\d+\.\d+)/.exec(run.stdout ?? "")?.[1];
}

function missingTool(): string | false {
  if (releaseOf(REFERENCE) === undefined) return `${REFERENCE} does not run`;
  return existsSync(join(repositoryRoot, "dist", "etcdctl.cjs")) ? false : "etcdctl is not built";
}

interface Finished {
  readonly out: string;
  readonly err: string;
  readonly code: string;
}

function execute(program: string, step: ToolCase, args: string[], cwd: string): Promise<Finished> {
  const { PATH = "", HOME = "", ETCD_NODE } = process.env;
  const node = ETCD_NODE === undefined ? {} : { ETCD_NODE };
  const child = spawn(program, args, {
    cwd,
    env: { PATH, HOME, ETCDCTL_API: "3", ...node, ...step.env },
    timeout: PATIENCE_MS,
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(step.stdin ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ out, err, code: String(code ?? signal) }));
  });
}

/** Runs all cases with one program against one member. */
async function outcomesOf(program: string, etcd: EtcdProcess): Promise<Outcome[]> {
  const { host, port } = new URL(etcd.clientUrl);
  const address = new Map([
    ["host", host],
    ["port", port],
  ]);
  const captured = new Map<string, string>();
  const cwd = mkdtempSync(join(tmpdir(), "etcdctl-tool-"));
  const outcomes: Outcome[] = [];
  try {
    for (const step of ETCDCTL_TOOL_CASES) {
      const fill = (text: string): string =>
        text.replace(
          /\{(\w+)\}/g,
          (whole, name: string) => address.get(name) ?? captured.get(name) ?? whole,
        );
      const given = step.args.map(fill);
      const args = step.raw === true ? given : ["--endpoints", host, ...given];
      const { out, err, code } = await execute(program, step, args, cwd);
      const found = step.capture?.[1].exec(out)?.[1];
      if (step.capture !== undefined && found !== undefined) captured.set(step.capture[0], found);
      const errors = err.replace(LOG_LINE, "").replace(/^stty: .*\n/gm, "");
      const text = `${out}${errors === "" ? "" : `errors: ${errors}`}exit ${code}`;
      outcomes.push({ name: nameOf(step), text: comparable(text, host, captured) });
    }
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
  return outcomes;
}

function nameOf({ args, stdin, env }: ToolCase): string {
  const variables = Object.entries(env ?? {}).map(([name, value]) => `${name}=${value} `);
  const input = stdin === undefined ? "" : ` < ${JSON.stringify(stdin)}`;
  return `${variables.join("")}${args.join(" ")}${input}`;
}

/** Without what must differ: addresses, chosen ids, times and sizes. */
function comparable(output: string, host: string, captured: ReadonlyMap<string, string>): string {
  let text = output.replaceAll(host, "<host>");
  for (const [name, value] of captured) {
    text = text.replaceAll(value, `<${name}>`).replaceAll(decimalOf(value), `<${name}>`);
  }
  return text
    .replace(/took( =)? [0-9.]+[µm]?s/g, "took$1 …")
    .replace(/"(?:T|t)ook"( ?: ?)"?[0-9.]+[µm]?s"?/g, '"took"$1…')
    .replace(/\| +[0-9.]+[µm]?s \|/g, "| … |")
    .replace(/remaining\(\d+s\)/g, "remaining(…)")
    .replace(/"(TTL|ttl)"( ?: ?)\d+/g, '"$1"$2…')
    .replace(/((?:dbSize(?:InUse)?|DBSize(?:InUse)?|[rR]aft(?:Applied)?Index)"( ?: ?))\d+/g, "$1…")
    .replace(/\d+(\.\d+)? [kM]B/g, "… kB")
    .replace(/panic: [\s\S]*?(?=exit )/g, "panic\n")
    .replace(
      /NAME:\n[\s\S]*?\n(GLOBAL )?OPTIONS:\n(?:[ \t]+-.*\n)+(?:\nGLOBAL OPTIONS:\n(?:[ \t]+-.*\n)+)?\n*/g,
      "<usage>\n",
    )
    .replace(/\d+%/g, "…%")
    .replace(/found \d+ leases\n([0-9a-f]{16}\n)+/g, "found … leases\n")
    .replace(/-{5,}/g, "-----")
    .replace(/ {2,}/g, "  ");
}

/** How JSON prints a hexadecimal id. */
function decimalOf(hex: string): string {
  return /^[0-9a-f]+$/.test(hex) ? String(BigInt(`0x${hex}`)) : hex;
}

/** Cases may be run twice: the second is "… (2nd time)". */
function uniqueNames(outcomes: readonly Outcome[]): string[] {
  const seen = new Map<string, number>();
  return outcomes.map(({ name }) => {
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return times === 1 ? name : `${name} (${["2nd", "3rd"][times - 2] ?? `${times}th`} time)`;
  });
}

test(
  "our etcdctl says what the reference etcdctl says",
  { skip: missing("reference") || missingTool(), timeout: 10 * PATIENCE_MS },
  async () => {
    const flags = [
      "--advertise-client-urls=http://127.0.0.1:2379",
      `--initial-advertise-peer-urls=${PEER_URL}`,
      `--initial-cluster=default=${PEER_URL}`,
    ];
    await using first = await startEtcd({ kind: "reference", flags });
    await using second = await startEtcd({ kind: "reference", flags });
    const [reference, ours] = await Promise.all([
      outcomesOf(REFERENCE, first),
      outcomesOf(OURS, second),
    ]);
    const names = uniqueNames(reference);
    const found: Record<string, { reference: string; ours: string }> = {};
    for (const [index, { text }] of reference.entries()) {
      const other = ours[index]?.text ?? "";
      if (other !== text) found[names[index] ?? ""] = { reference: text, ours: other };
    }
    if (process.env.ETCDCTL_TOOL_DIFFERENCES !== undefined) {
      writeFileSync(process.env.ETCDCTL_TOOL_DIFFERENCES, JSON.stringify(found, null, 2));
    }
    const known: Record<string, { reference: string; ours: string }> = {};
    for (const { differences } of ETCDCTL_TOOL_DIFFERENCES[releaseOf(REFERENCE) ?? ""] ?? []) {
      for (const [name, texts] of Object.entries(differences)) {
        known[name] = { reference: texts[0], ours: texts[1] };
      }
    }
    assert.deepEqual(found, known);
  },
);
