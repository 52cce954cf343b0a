/** Number of watchers, of one key and each of its own. */
import type { LoadJob } from "../load/jobs.ts";
import { Generator } from "../trial.ts";
import { heldMegabytes, onMember, SECONDS } from "./costs.ts";
import type { Curve } from "./curves.ts";

const STREAMS = 50;
const WATCHERS_METRIC = "etcd_debugging_mvcc_watcher_total";
const POLL_MS = 50;

export const WATCHERS: Curve = {
  name: "watchers",
  title: "More watchers",
  axis: `watchers on at most ${STREAMS} streams`,
  sizes: [10, 100, 1000, 10_000, 100_000],
  panels: [
    {
      metric: "event",
      title: "An event, where all watch the key",
      unit: "µs of processor time",
    },
    {
      metric: "put",
      title: "A put and its event, where each watches another key",
      unit: "µs of processor time",
    },
    { metric: "memory", title: "Memory (anonymous pages)", unit: "MB" },
  ],
  async measure(subject, watchers) {
    const measured = (keys: number) =>
      onMember(subject, async (member) => {
        const job: LoadJob = {
          kind: "watch",
          port: member.port,
          connections: Math.min(STREAMS, watchers),
          watchers,
          keys,
          valueBytes: 256,
          seconds: SECONDS,
        };
        // The making of the watchers is not to count: the rest of a load that begins with them.
        const running = new Generator({ ...job, seconds: SECONDS + 1 });
        const ended = running.result.then(() => true);
        while (((await member.metric(WATCHERS_METRIC)) ?? 0) < watchers) {
          if (await Promise.race([ended, pause()])) throw new Error("not all watched in time");
        }
        const memory = heldMegabytes(member);
        const before = member.usage().cpuSeconds;
        const sinceMs = performance.now();
        const result = await running.result;
        const seconds = (performance.now() - sinceMs) / 1000;
        const micros = (member.usage().cpuSeconds - before) * 1e6;
        return { micros: micros / ((result.operations / result.seconds) * seconds), memory };
      });
    const together = await measured(1);
    const apart = await measured(watchers);
    return { event: together.micros, put: apart.micros, memory: apart.memory };
  },
};

function pause(): Promise<false> {
  return new Promise((done) => setTimeout(() => done(false), POLL_MS));
}
