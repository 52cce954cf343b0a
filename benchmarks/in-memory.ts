/**
 * What etcd inside a test costs: `node dist/benchmarks/in-memory.js`. Each figure is the median of
 * several; processor time beside the time of the clock, since a machine has other things to do.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** As users import it; inside the package its own name means itself. */
const LIBRARY: string = "etcd-ts/testing";
const ROUNDS = 15;
const KEYS = 10_000;

type Library = typeof import("../src/testing/index.ts");

interface Cost {
  readonly clockMs: number;
  readonly processorMs: number;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function print(what: string, costs: readonly Cost[]): void {
  const clock = median(costs.map(({ clockMs }) => clockMs)).toFixed(1);
  const processor = median(costs.map(({ processorMs }) => processorMs)).toFixed(1);
  console.log(
    `${what.padEnd(44)} ${clock.padStart(8)} ms ${processor.padStart(8)} ms of processor`,
  );
}

async function costOf(work: () => Promise<unknown>): Promise<Cost> {
  const before = process.cpuUsage();
  const begun = performance.now();
  await work();
  const clockMs = performance.now() - begun;
  const { user, system } = process.cpuUsage(before);
  return { clockMs, processorMs: (user + system) / 1000 };
}

/** In a process of its own: the import, and the first member after it. */
async function child(): Promise<void> {
  let library: Library | undefined;
  const imported = await costOf(async () => {
    library = await import(LIBRARY);
  });
  globalThis.gc?.();
  const { heapUsed: before } = process.memoryUsage();
  const first = await costOf(async () => library?.Etcd.memory());
  globalThis.gc?.();
  const { heapUsed: after } = process.memoryUsage();
  console.log(JSON.stringify({ imported, first, heapBytes: after, memberBytes: after - before }));
}

interface ChildReport {
  readonly imported: Cost;
  readonly first: Cost;
  readonly heapBytes: number;
  readonly memberBytes: number;
}

function inChildren(): void {
  const self = fileURLToPath(import.meta.url);
  const reports = Array.from({ length: ROUNDS }, () => {
    const { stdout } = spawnSync(process.execPath, ["--expose-gc", self, "child"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    });
    return JSON.parse(stdout) as ChildReport;
  });
  print(
    "import",
    reports.map(({ imported }) => imported),
  );
  print(
    "first member in a process",
    reports.map(({ first }) => first),
  );
  const heap = median(reports.map(({ heapBytes }) => heapBytes)) / 1e6;
  const member = median(reports.map(({ memberBytes }) => memberBytes)) / 1e6;
  console.log(
    `heap of a process with a member: ${heap.toFixed(1)} MB, of which the member ${member.toFixed(1)} MB`,
  );
}

async function rounds(what: string, work: () => Promise<() => Promise<void>>): Promise<void> {
  const costs: Cost[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    let after: () => Promise<void> = async () => undefined;
    costs.push(
      await costOf(async () => {
        after = await work();
      }),
    );
    await after();
  }
  print(what, costs);
}

async function main(): Promise<void> {
  console.log(`Node ${process.version}`);
  inChildren();
  const { Etcd } = (await import(LIBRARY)) as Library;
  await rounds("another member", async () => {
    const etcd = await Etcd.memory();
    return () => etcd.close();
  });
  await rounds("a cluster of three", async () => {
    const etcd = await Etcd.cluster(3);
    return () => etcd.close();
  });
  await using etcd = await Etcd.memory();
  const client = etcd.client();
  const filling = await costOf(async () => {
    for (let i = 0; i < KEYS; i += 100) {
      const keys = Array.from({ length: 100 }, (_, k) => `key/${i + k}`);
      await Promise.all(keys.map((key) => client.kv.put(key, `value of ${key}`)));
    }
  });
  print(`${KEYS} puts, 100 at a time`, [filling]);
  await rounds(`snapshot of ${KEYS} keys`, async () => {
    await etcd.snapshot();
    return async () => undefined;
  });
  const snapshot = await etcd.snapshot();
  await rounds(`fork of ${KEYS} keys`, async () => {
    const fork = await etcd.fork(snapshot);
    return () => fork.close();
  });
  await rounds(`restore of ${KEYS} keys`, async () => {
    await etcd.restore(snapshot);
    return async () => undefined;
  });
  await rounds("an hour", async () => {
    await etcd.clock.advance("1h");
    return async () => undefined;
  });
}

await (process.argv[2] === "child" ? child() : main());
