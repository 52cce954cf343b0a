/**
 * A small load on a cluster, and a verdict while it runs: clients at every member read and write a
 * few keys, each call sent once, and what they were told is checked for linearizability in windows
 * of some seconds.
 *
 * With stale reads (etcd's serializable reads, which a member answers from what it has) the same
 * check fails as soon as a member lags: what linearizability is, by its absence.
 */
import type { Clock } from "../../../env/clock.ts";
import { sleep } from "../../../env/sleep.ts";
import { type EtcdClient, EtcdClientError, type KeyValue } from "../../../client/index.ts";
import type { LabTime } from "../../../lab/lab-protocol.ts";
import { latin1FromBytes } from "../../../base/bytes.ts";
import { LoadWindow } from "./load-window.ts";
import type { RegisterOutcome, RegisterSeen, RegisterVerdict } from "./register-history.ts";

export type Reads = "linearizable" | "stale";

export interface LoadReport {
  readonly reads: Reads;
  /** Calls that were answered, refused, and neither. */
  readonly answered: number;
  readonly failed: number;
  readonly unknown: number;
  /** The first violation stays: it does not become true later. */
  readonly verdict: RegisterVerdict;
  /** Why calls do not get through, as the last one was told; undefined when it did. */
  readonly lastError: string | undefined;
}

export interface LoadTarget {
  readonly process: string;
  readonly client: EtcdClient;
}

export interface LoadDeps {
  readonly clock: Clock;
  readonly monotonicMs: () => LabTime;
  /** Unlike those of every load before. */
  readonly name: string;
}

/** Everything that a load writes. */
const LOAD_PREFIX = "etcd-cluster/load/";
const REGISTERS = 4;
const CLIENTS_PER_MEMBER = 2;
/** Between two calls of a client: some thirty calls a second at each member. */
const THINK_MS = 60;
/** A client goes on after so long; what it had asked for may happen yet. */
const CALL_TIMEOUT_MS = 1000;
const WINDOW_MS = 5000;
const CHECK_INTERVAL_MS = 500;
/** One write in so many calls. */
const CALLS_PER_WRITE = 3;

export class Load {
  readonly reads: Reads;
  readonly #targets: readonly LoadTarget[];
  readonly #deps: LoadDeps;
  /** The last one is open for calls, the others wait for the end of theirs. */
  #windows: LoadWindow[] = [];
  #windowNumber = 0;
  #ids = 0;
  readonly #counts = { answered: 0, failed: 0, unknown: 0 };
  #verdict: RegisterVerdict = { kind: "linearizable" };
  #lastError: string | undefined;
  #isStopped = false;
  #work: Promise<unknown> = Promise.resolve();

  constructor(reads: Reads, targets: readonly LoadTarget[], deps: LoadDeps) {
    this.reads = reads;
    this.#targets = targets;
    this.#deps = deps;
  }

  start(): void {
    const clients = this.#targets.flatMap((target) =>
      Array.from({ length: CLIENTS_PER_MEMBER }, () => target),
    );
    const workers = clients.map((target, clientID) => this.#call(target, clientID));
    this.#work = Promise.all([...workers, this.#check()]);
  }

  report(): LoadReport {
    const { reads } = this;
    return { reads, ...this.#counts, verdict: this.#verdict, lastError: this.#lastError };
  }

  /** Ends with the calls that are under way; then removes its keys, where somebody takes it. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#work;
    await this.#remove(LOAD_PREFIX);
    for (const { client } of this.#targets) client.close();
  }

  /** Each client turns through the keys at its own distance, so that they meet everywhere. */
  async #call(target: LoadTarget, clientID: number): Promise<void> {
    for (let turn = clientID; !this.#isStopped; turn++) {
      const key = `${this.#window().prefix}r${(turn * (clientID + 1)) % REGISTERS}`;
      const id = ++this.#ids;
      const put = turn % CALLS_PER_WRITE === 0 ? `${target.process} #${id}` : undefined;
      const callMs = this.#deps.monotonicMs();
      const call = { id, clientID, member: target.process, callMs, put };
      const end = this.#window().called(key, call);
      const outcome = await this.#outcome(target.client, key, put);
      end(outcome);
      this.#counts[outcome.kind === "ok" ? "answered" : outcome.kind]++;
      this.#lastError = outcome.kind === "ok" ? undefined : outcome.error;
      await sleep(this.#deps.clock, THINK_MS);
    }
  }

  async #outcome(
    { kv }: EtcdClient,
    key: string,
    put: string | undefined,
  ): Promise<RegisterOutcome> {
    const options = { timeoutMs: CALL_TIMEOUT_MS };
    try {
      const seen =
        put === undefined
          ? (await kv.get(key, { ...options, serializable: this.reads === "stale" })).kvs[0]
          : (await kv.put(key, put, { ...options, prevKV: true })).prevKV;
      return { kind: "ok", returnMs: this.#deps.monotonicMs(), seen: seen && seenOf(seen) };
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      return error.outcomeUnknown && put !== undefined
        ? { kind: "unknown", error: error.message }
        : { kind: "failed", returnMs: this.#deps.monotonicMs(), error: error.message };
    }
  }

  #window(): LoadWindow {
    const nowMs = this.#deps.monotonicMs();
    const last = this.#windows.at(-1);
    if (last !== undefined && !last.isFull && nowMs - last.beginMs < WINDOW_MS) return last;
    const prefix = `${LOAD_PREFIX}${this.#deps.name}/${++this.#windowNumber}/`;
    const window = new LoadWindow(prefix, nowMs);
    this.#windows.push(window);
    return window;
  }

  async #check(): Promise<void> {
    while (!this.#isStopped) {
      await sleep(this.#deps.clock, CHECK_INTERVAL_MS);
      for (const window of this.#windows) {
        if (this.#verdict.kind === "violation") break;
        this.#verdict = window.verdict();
      }
      const over = this.#windows.slice(0, -1).filter(({ open }) => open === 0);
      this.#windows = this.#windows.filter((window) => !over.includes(window));
      for (const { prefix } of over) await this.#remove(prefix);
    }
  }

  /** At whichever member takes it; keys that stay are in nobody's way. */
  async #remove(prefix: string): Promise<void> {
    for (const { client } of this.#targets) {
      try {
        await client.kv.delete(prefix, { prefix: true, timeoutMs: CALL_TIMEOUT_MS });
        return;
      } catch (error) {
        if (!(error instanceof EtcdClientError)) throw error;
      }
    }
  }
}

function seenOf({ value, version }: KeyValue): RegisterSeen {
  return { value: latin1FromBytes(value), version };
}

/** For a terminal. */
export function loadText(report: LoadReport | undefined): string {
  if (report === undefined) return "no load runs; `etcd-cluster run load on` starts one\n";
  const { reads, answered, failed, unknown, verdict, lastError } = report;
  const counts = `${answered} calls answered, ${failed} failed, ${unknown} with an unknown end`;
  const why = lastError === undefined ? "" : `last failure: ${lastError}\n`;
  const words = verdict.kind === "gaveUp" ? `undecided: ${verdict.text}` : verdict.kind;
  const proof = verdict.kind === "violation" ? `\n${verdict.text}` : "";
  return `${reads} reads: ${counts}\n${why}verdict: ${words}${proof}\n`;
}
