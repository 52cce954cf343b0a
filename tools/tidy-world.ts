/**
 * Time, chance and the process are arguments: who may reach for the real ones, and why. Everybody
 * else takes a `Clock`, a `Random` or what is needed of the process from its caller, so that a
 * whole member runs on virtual time, repeatably, beside others in one process.
 */
import { importsOf } from "./source-imports.ts";
import { lineAt, type SourceText } from "./source-text.ts";
import { isTestFile } from "./tidy-layers.ts";

/**
 * "turn" is the event loop's next turn, "systemClock" the making of the machine's clock. Microtasks
 * are no kind: their order is the program's own.
 */
export type WorldKind = "clock" | "timer" | "turn" | "chance" | "process" | "systemClock";

/** Names stand by themselves or behind `globalThis.`; `socket.setTimeout` is another thing. */
const GLOBAL = String.raw`(?<![\w$#.])(?:globalThis\s*\.\s*)?`;

const WORDS: Readonly<Record<WorldKind, RegExp>> = {
  clock: new RegExp(
    String.raw`${GLOBAL}(?:Date\s*\.\s*now\b|performance\b|new\s+Date\b(?:\s*\(\s*\))?(?!\s*\()|Date\s*\(\s*\)|process\s*\.\s*(?:hrtime|uptime)\b)`,
    "g",
  ),
  timer: new RegExp(
    String.raw`${GLOBAL}(?:(?:set|clear)(?:Timeout|Interval)\b|AbortSignal\s*\.\s*timeout\b|Atomics\s*\.\s*wait(?:Async)?\b)`,
    "g",
  ),
  turn: new RegExp(
    String.raw`${GLOBAL}(?:(?:set|clear)Immediate\b|process\s*\.\s*nextTick\b)`,
    "g",
  ),
  chance: new RegExp(String.raw`${GLOBAL}(?:Math\s*\.\s*random\b|crypto\s*\.)`, "g"),
  process: new RegExp(
    String.raw`${GLOBAL}(?:process\b(?=\s*\.)(?!\s*\.\s*(?:hrtime|uptime|nextTick)\b)|console\s*\.)`,
    "g",
  ),
  systemClock: /\bnew\s+SystemClock\b/g,
};

const MODULES: Readonly<Record<string, WorldKind>> = {
  "node:timers": "timer",
  "node:timers/promises": "timer",
  "node:perf_hooks": "clock",
  "node:process": "process",
  "node:console": "process",
};

export interface Permission {
  /** A file, or a folder with a slash at its end. */
  readonly path: string;
  readonly kinds: readonly WorldKind[];
  readonly why: string;
}

/** Who in `src` and `simulation` may, tests aside. Must stay exact. */
const PRODUCTION: readonly Permission[] = [
  {
    path: "src/env/system-clock.ts",
    kinds: ["clock", "timer"],
    why: "the machine's clock behind `Clock`, for everybody",
  },
  { path: "src/platform/node-random.ts", kinds: ["chance"], why: "the system's generator" },
  { path: "src/platform/tls/certificate-writer.ts", kinds: ["chance"], why: "serial numbers" },
  {
    path: "src/platform/logger.ts",
    kinds: ["systemClock", "process"],
    why: "time stamps and the process's id; a logger is there before anything else",
  },
  {
    path: "src/platform/logger-sinks.ts",
    kinds: ["systemClock", "timer", "turn"],
    why: "one write per turn of the loop; the last lines of a process that ends block it",
  },
  {
    path: "src/platform/metrics-process.ts",
    kinds: ["clock", "process"],
    why: "the process is what it measures",
  },
  { path: "src/platform/", kinds: ["process"], why: "which system this is, and systemd's socket" },
  { path: "src/bin/", kinds: ["process", "systemClock"], why: "programs: they own the process" },
  {
    path: "src/bin/etcd-cluster-main.ts",
    kinds: ["chance"],
    why: "the secret of the launcher's page, which nobody may guess",
  },
  {
    path: "src/bin/monotonic-time.ts",
    kinds: ["clock"],
    why: "the clock that the processes of one machine share, for the order of what they do",
  },
  {
    path: "src/embed/start-etcd.ts",
    kinds: ["process", "systemClock", "turn"],
    why: "gives a member the real world",
  },
  {
    path: "src/embed/start-v2-proxy.ts",
    kinds: ["systemClock"],
    why: "gives a proxy the real world",
  },
  {
    path: "src/embed/http-handlers.ts",
    kinds: ["process"],
    why: "Go's `version` names the system",
  },
  {
    path: "src/client/etcd-client.ts",
    kinds: ["chance", "systemClock"],
    why: "what a program gets that brings no clock and no chance of its own",
  },
  {
    path: "src/transport/client/connection.ts",
    kinds: ["systemClock"],
    why: "a connection outside a client: tests and measurements",
  },
  {
    path: "src/transport/flush-queue.ts",
    kinds: ["turn"],
    why: "what waits for the next turn must not hold this one",
  },
  { path: "src/transport/listener.ts", kinds: ["turn"], why: "the batch of a turn" },
  {
    path: "src/bin/ignored-signals.ts",
    kinds: ["turn"],
    why: "a debugger that was asked for opens in the next turn",
  },
  { path: "src/embed/start-lines.ts", kinds: ["process"], why: "the line that names the runtime" },
  {
    path: "src/transport/http/http1-server.ts",
    kinds: ["turn"],
    why: "Node's parser goes on behind the end of a request only in a later turn",
  },
  {
    path: "src/transport/http/upgrade-offer.ts",
    kinds: ["process"],
    why: "Node 26 parses the body of an upgrade, others do not",
  },
  { path: "src/backend/slicer.ts", kinds: ["turn"], why: "sockets get a turn between two slices" },
  {
    path: "src/gateway/endpoints/debug.ts",
    kinds: ["process"],
    why: "memory of the process, in the shape of Go's expvar",
  },
  {
    path: "src/cli/framework/io.ts",
    kinds: ["process", "systemClock", "timer"],
    why: "the world of a tool; blocks on a full pipe",
  },
  { path: "src/cli/etcdctl/load.ts", kinds: ["chance"], why: "keys that no run writes again" },
  { path: "src/cli/v2/session.ts", kinds: ["chance"], why: "spreads tools over the members" },
  { path: "src/cli/", kinds: ["process"], why: "signals, the terminal, and children" },
  {
    path: "src/testing/sockets.ts",
    kinds: ["systemClock"],
    why: "deadlines and pings of clients that are no part of the world",
  },
  {
    path: "src/testing/world/scheduler.ts",
    kinds: ["turn"],
    why: "lets promises run out; orders nothing",
  },
  { path: "simulation/report.ts", kinds: ["clock"], why: "how long the run took" },
  { path: "simulation/main.ts", kinds: ["clock", "process"], why: "the program" },
  { path: "simulation/run.ts", kinds: ["process"], why: "catches what nobody caught" },
];

/** Tests and their helpers do not sleep, and draw nothing by chance; but these. Must stay exact. */
const TESTS: readonly Permission[] = [
  { path: "src/env/system-clock.test.ts", kinds: ["timer"], why: "is about them" },
  { path: "src/platform/logger.test.ts", kinds: ["clock"], why: "formats the present" },
  {
    path: "src/platform/tls/certificate-expiry.test.ts",
    kinds: ["clock"],
    why: "real certificates",
  },
  { path: "src/platform/tls/testing/authority.ts", kinds: ["clock"], why: "real certificates" },
  { path: "src/platform/tls/tls-dialer.test.ts", kinds: ["clock"], why: "real certificates" },
  { path: "src/platform/metrics.test.ts", kinds: ["clock"], why: "the process began just now" },
  { path: "src/embed/e2e/wait.ts", kinds: ["clock", "timer"], why: "how tests of a process wait" },
  { path: "src/client/testing/check.ts", kinds: ["timer"], why: "how tests of the client wait" },
  {
    path: "src/embed/e2e/lease.test.ts",
    kinds: ["clock"],
    why: "a lease does not end before its time",
  },
  { path: "src/embed/e2e/storm.test.ts", kinds: ["timer"], why: "a watcher that pauses" },
  { path: "src/embed/e2e/calls.test.ts", kinds: ["clock"], why: "a deadline on the wire" },
  { path: "src/transport/listener.test.ts", kinds: ["clock"], why: "a deadline on the wire" },
  {
    path: "src/transport/peer/snapshot.test.ts",
    kinds: ["timer"],
    why: "a sender that stands still is seen by waiting",
  },
  { path: "src/transport/testing/", kinds: ["clock", "timer"], why: "measurements run by hand" },
  { path: "src/raft/testing/throughput.ts", kinds: ["clock"], why: "a measurement run by hand" },
  {
    path: "src/bin/crash-safety.test.ts",
    kinds: ["timer"],
    why: "a process works for a while before it is killed",
  },
  {
    path: "src/bin/ignored-signals.test.ts",
    kinds: ["timer"],
    why: "signals at any moment of a start; a process tells by its files when it is there",
  },
  { path: "benchmarks/load/load.test.ts", kinds: ["clock"], why: "checks what it measures" },
];

export const PERMISSIONS = { production: PRODUCTION, tests: TESTS };

/** What tests need a permission for. */
const TEST_KINDS: ReadonlySet<WorldKind> = new Set(["clock", "timer", "chance"]);

export interface WorldProblem {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/** Uses of the real world without a permission, and permissions without a use. */
export function worldProblems(
  sources: readonly SourceText[],
  permissions = PERMISSIONS,
): WorldProblem[] {
  const used = new Set<string>();
  const problems: WorldProblem[] = [];
  for (const source of sources) {
    const { path } = source;
    const isTest = isTestFile(path);
    if (!isTest && !/^(?:src|simulation)\//.test(path)) continue;
    if (/^conformance\//.test(path)) continue;
    const list = isTest ? permissions.tests : permissions.production;
    for (const { kind, line, word } of usesOf(source)) {
      if (isTest && !TEST_KINDS.has(kind)) continue;
      if (isTest && isSeed(source, line)) {
        if (!printsSeed(source)) problems.push({ path, line, text: "prints no seed" });
        continue;
      }
      const allowed = list.find((entry) => covers(entry, path) && entry.kinds.includes(kind));
      if (allowed === undefined) problems.push({ path, line, text: refusal(kind, word, isTest) });
      else used.add(`${allowed.path} ${kind}`);
    }
  }
  for (const { path, kinds } of [...permissions.production, ...permissions.tests]) {
    for (const kind of kinds) {
      if (used.has(`${path} ${kind}`)) continue;
      const text = `${path} has a permission for ${kind} that it does not use`;
      problems.push({ path: "tools/tidy-world.ts", line: 1, text });
    }
  }
  return problems;
}

function covers({ path }: Permission, file: string): boolean {
  return path.endsWith("/") ? file.startsWith(path) : file === path;
}

function refusal(kind: WorldKind, word: string, isTest: boolean): string {
  if (isTest) return `a test must not depend on the real ${kind}: ${word}`;
  const instead = kind === "chance" ? "take a Random" : "take what is needed as an argument";
  return `${word} is the real ${kind}; ${instead}`;
}

/** A random test draws its seed anew unless it is given one: `const SEED = Number(process.env…`. */
function isSeed({ raw }: SourceText, line: number): boolean {
  return /\bseed\b.*\bprocess\.env\b/i.test(raw.split("\n")[line - 1] ?? "");
}

/** Every run can be repeated. */
function printsSeed({ raw }: SourceText): boolean {
  return /\b(?:diagnostic|console\.log)\([^;]*seed|\btest\(`[^\n]*\{seed/i.test(raw);
}

interface WorldUse {
  readonly kind: WorldKind;
  readonly line: number;
  readonly word: string;
}

function usesOf(source: SourceText): WorldUse[] {
  const uses: WorldUse[] = [];
  for (const { specifier, line, names } of importsOf(source)) {
    const kind = MODULES[specifier];
    if (kind !== undefined) uses.push({ kind, line, word: specifier });
    if (specifier !== "node:crypto" || names === "all") continue;
    const drawn = names.find(({ theirs }) => /^(?:random|webcrypto|getRandom)/.test(theirs));
    if (drawn !== undefined) uses.push({ kind: "chance", line, word: drawn.theirs });
  }
  for (const kind of Object.keys(WORDS) as WorldKind[]) {
    for (const match of source.code.matchAll(WORDS[kind])) {
      const word = match[0].replace(/\s+/g, " ").replace(/[(.].*$/, (rest) => rest.trim());
      uses.push({ kind, line: lineAt(source.raw, match.index), word });
    }
  }
  return uses;
}
