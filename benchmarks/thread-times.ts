/** What each thread of a process took of the processors, from the system's counts. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const MICROS_PER_TICK = 10_000;

export interface ThreadTime {
  readonly name: string;
  readonly user: number;
  readonly system: number;
}

/** Microseconds of each thread so far, in the program and in the kernel. */
export function threadTimes(pid: number): Map<string, ThreadTime> {
  const folder = `/proc/${pid}/task`;
  return new Map(
    readdirSync(folder).map((tid) => {
      const stat = readFileSync(join(folder, tid, "stat"), "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      const name = Number(tid) === pid ? "main thread" : stat.slice(stat.indexOf("(") + 1, -1);
      const short = name === "main thread" ? name : name.slice(0, name.indexOf(")"));
      const ticks = (at: number): number => Number(fields[at]) * MICROS_PER_TICK;
      return [tid, { name: short, user: ticks(11), system: ticks(12) }];
    }),
  );
}

/** What each kind of thread took between two looks. */
export function between(
  before: ReadonlyMap<string, ThreadTime>,
  after: ReadonlyMap<string, ThreadTime>,
): Map<string, ThreadTime> {
  const sums = new Map<string, ThreadTime>();
  for (const [tid, { name, user, system }] of after) {
    const old = before.get(tid);
    const sum = sums.get(name);
    sums.set(name, {
      name,
      user: (sum?.user ?? 0) + user - (old?.user ?? 0),
      system: (sum?.system ?? 0) + system - (old?.system ?? 0),
    });
  }
  return sums;
}
