/** Random puts from many clients, for the check commands, with their statistics and clean-up. */
import { randomBytes } from "node:crypto";
import { EtcdClientError } from "../../client/index.ts";
import type { Clock } from "../../env/clock.ts";
import { sleep } from "../../env/sleep.ts";
import type { Invocation } from "../framework/command.ts";
import { ExitCode, exitWithError } from "../framework/exit.ts";
import type { Io } from "../framework/io.ts";
import { quote } from "../../base/go-quote.ts";
import { bytesOfText } from "../../base/raw-text.ts";
import { errorText, type Session, sessionAt } from "./session.ts";

const AFTERWARDS_TIMEOUT_MS = 30_000;
const MODELS: Readonly<Record<string, string>> = {
  s: "s",
  small: "s",
  m: "m",
  medium: "m",
  l: "l",
  large: "l",
  xl: "xl",
  xLarge: "xl",
};

export function workloadOf<T>({ flags }: Invocation, loads: Readonly<Record<string, T>>): T {
  const name = flags.string("load");
  const load = loads[MODELS[name] ?? ""];
  return load ?? exitWithError(ExitCode.BAD_FEATURE, `unknown load option ${name}`);
}

/** Refuses to work among somebody's keys. */
export async function mustBeEmpty(session: Session, prefix: string, advice: string): Promise<void> {
  const answer = session.client.kv.get(bytesOfText(prefix), {
    ...session.bounded,
    prefix: true,
    limit: 1,
  });
  const { kvs } = await session.must("KV/Range", answer);
  if (kvs.length > 0) {
    exitWithError(
      ExitCode.INVALID_INPUT,
      `prefix ${quote(prefix)} has keys. Delete with ${advice} first`,
    );
  }
}

/** The time of a run, in milliseconds that only grow. */
export interface Pace {
  now(): number;
  sleep(ms: number): Promise<unknown>;
}

export function paceOf(clock: Clock): Pace {
  return { now: () => clock.nowMs(), sleep: (ms) => sleep(clock, ms) };
}

/** Latencies and failures of a run. */
export class LoadReport {
  readonly failures = new Map<string, number>();
  readonly #seconds: number[] = [];
  readonly #pace: Pace;
  readonly #begunMs: number;
  #endedMs: number;

  constructor(pace: Pace) {
    this.#pace = pace;
    this.#begunMs = pace.now();
    this.#endedMs = this.#begunMs;
  }

  /** Carries out one put and counts it. */
  async measure(put: () => Promise<unknown>): Promise<void> {
    const begun = this.#pace.now();
    try {
      await put();
      this.#seconds.push((this.#pace.now() - begun) / 1000);
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      const text = errorText(error);
      this.failures.set(text, (this.failures.get(text) ?? 0) + 1);
    }
    this.#endedMs = this.#pace.now();
  }

  /** Writes per second. */
  get rate(): number {
    return this.#seconds.length / ((this.#endedMs - this.#begunMs) / 1000);
  }

  get slowestSeconds(): number {
    return this.#seconds.reduce((slowest, each) => Math.max(slowest, each), 0);
  }

  get stddevSeconds(): number {
    const { length } = this.#seconds;
    if (length === 0) return 0;
    const mean = this.#seconds.reduce((sum, each) => sum + each, 0) / length;
    const variance = this.#seconds.reduce((sum, each) => sum + (each - mean) ** 2, 0) / length;
    return Math.sqrt(variance);
  }
}

/** The prefix and random bytes. */
export function randomKey(prefix: string, bytes: number): Buffer {
  const key = Buffer.alloc(bytes);
  randomBytes(9).copy(key);
  return Buffer.concat([bytesOfText(prefix), key]);
}

/** Deletes the keys, then compacts and defragments if asked to. */
export async function cleanUp(session: Session, prefix: string): Promise<void> {
  const { call, client } = session;
  const { flags, io } = call;
  const bounded = { timeoutMs: AFTERWARDS_TIMEOUT_MS };
  let revision = 0;
  try {
    const deleted = await client.kv.delete(bytesOfText(prefix), { ...bounded, prefix: true });
    revision = deleted.revision;
  } catch (error) {
    if (!(error instanceof EtcdClientError)) throw error;
    io.out(`FAIL: Cleanup failed during key deletion: ERROR(${errorText(error)})\n`);
    return;
  }
  if (flags.bool("auto-compact")) {
    io.out(`Compacting with revision ${revision}\n`);
    await session.must("KV/Compact", client.kv.compact(revision, { ...bounded, physical: true }));
    io.out(`Compacted with revision ${revision}\n`);
  }
  if (!flags.bool("auto-defrag")) return;
  for (const endpoint of session.target.endpoints) {
    io.out(`Defragmenting ${quote(endpoint)}\n`);
    const own = sessionAt(session, endpoint);
    await own.must("Maintenance/Defragment", own.client.maintenance.defragment(bounded));
    io.out(`Defragmented ${quote(endpoint)}\n`);
  }
}

export function reportFailures(io: Io, report: LoadReport): boolean {
  if (report.failures.size === 0) return false;
  io.out("FAIL: too many errors\n");
  for (const [text, count] of report.failures) {
    io.out(`FAIL: ERROR(${text}) -> ${count}\n`);
  }
  return true;
}
