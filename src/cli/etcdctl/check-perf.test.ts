/** `check perf` with a minute that passes at once: how it paces its writes, its bar, its verdicts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdClientError } from "../../client/index.ts";
import { SystemClock } from "../../env/system-clock.ts";
import type { Io } from "../framework/io.ts";
import { judge, putAtRate } from "./commands/check-perf.ts";
import { LoadReport, type Pace } from "./load.ts";

const RATE = 150;

/** Time that passes only when somebody sleeps. */
class FakePace implements Pace {
  #ms = 0;

  now(): number {
    return this.#ms;
  }

  async sleep(ms: number): Promise<void> {
    this.#ms += ms;
    await Promise.resolve();
  }
}

interface FakeIo {
  readonly io: Io;
  readonly text: () => string;
  readonly shown: readonly string[];
}

function fakeIo(): FakeIo {
  let text = "";
  const shown: string[] = [];
  const io = {
    argv: [],
    env: {},
    out: (data: string | Uint8Array) => {
      text += String(data);
    },
    err: () => undefined,
    status: (line: string) => shown.push(line),
    clock: new SystemClock({ holdsProcess: true }),
    stdin: { isTerminal: false, readLine: async () => undefined, readAll: async () => Buffer.of() },
  };
  return { io, text: () => text, shown };
}

test("a minute of writes at the wanted rate shows how far it is, and passes", async () => {
  const { io, text, shown } = fakeIo();
  const keys = new Set<string>();
  const put = async (key: Buffer): Promise<void> => {
    keys.add(key.toString("hex"));
  };
  const pace = new FakePace();
  const { signal } = new AbortController();
  const plan = { writers: Array.from({ length: 50 }, () => put), prefix: "/p/", rate: RATE };
  const report = await putAtRate({ io, pace, signal }, plan);
  assert.ok(keys.size >= 59 * RATE && keys.size <= 60 * RATE, `${keys.size} keys`);
  for (const key of keys) assert.equal(Buffer.from(key.slice(0, 6), "hex").toString(), "/p/");
  const percents = new Set(shown.map((line) => /^writing \[=* *\] {1,3}(\d+)%$/.exec(line)?.[1]));
  assert.deepEqual(
    [...percents],
    Array.from({ length: 100 }, (_, percent) => String(percent)),
  );
  assert.equal(judge(io, report, RATE), true);
  assert.match(
    text(),
    /^(PASS: Throughput is 150 writes\/s\nPASS: Slowest request took 0\.0\d{5}s\nPASS: Stddev is 0\.0\d{5}s\nPASS\n)$/,
  );
});

test("an interrupted run ends with what it has", async () => {
  const { io, text } = fakeIo();
  const interrupted = new AbortController();
  let writes = 0;
  const put = async (): Promise<void> => {
    writes++;
    if (writes === RATE) interrupted.abort();
  };
  const world = { io, pace: new FakePace(), signal: interrupted.signal };
  await putAtRate(world, { writers: [put, put, put], prefix: "", rate: RATE });
  assert.ok(writes >= RATE && writes < 2 * RATE, `${writes} writes`);
  assert.equal(text(), "");
});

test("slow, uneven and failing writes are each named, and fail", async () => {
  const { io, text } = fakeIo();
  const pace = new FakePace();
  const report = new LoadReport(pace);
  for (let i = 0; i < 9; i++) await report.measure(() => pace.sleep(100));
  await report.measure(() => pace.sleep(2100));
  const refuse = async (): Promise<void> => {
    throw new EtcdClientError("etcdserver: mvcc: database space exceeded", {
      code: 8,
      kind: "resourceExhausted",
    });
  };
  await report.measure(refuse);
  await report.measure(refuse);
  assert.equal(judge(io, report, RATE), false);
  const lines = text().split("\n");
  assert.equal(lines[0], "FAIL: too many errors");
  assert.match(lines[1] ?? "", /^FAIL: ERROR\(.*etcdserver: mvcc: database space exceeded\) -> 2$/);
  assert.deepEqual(lines.slice(2), [
    "FAIL: Throughput too low: 4 writes/s",
    "Slowest request took too long: 2.100000s",
    "Stddev too high: 0.600000s",
    "FAIL",
    "",
  ]);
});
