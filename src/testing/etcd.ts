/**
 * etcd inside a test: real members, the same code that `etcd` runs, on disks in memory, without a
 * port, a file or a process, and on a clock that the test moves.
 */
import { EtcdClient, type EtcdClientOptions } from "../client/index.ts";
import type { KeyValue } from "../client/index.ts";
import { optionNames, unknownOption } from "../base/known-options.ts";
import { type Duration, durationMs } from "./duration.ts";
import type { Failure, RecordedRequest } from "./ledger.ts";
import { type Change, changesOf, keyAt, keysWith } from "./looks.ts";
import type { MemberSettings } from "./member-options.ts";
import { TestClock } from "./test-clock.ts";
import { Universe, type UniverseOptions, type UniverseState } from "./universe.ts";

export interface MemoryOptions extends MemberSettings {
  /** Chance as an argument: what is random follows from it. Default 1. */
  readonly seed?: number | undefined;
}

const MEMORY_OPTIONS = optionNames<MemoryOptions>({
  seed: true,
  autoCompaction: true,
  quotaBytes: true,
  maxTxnOps: true,
  maxRequestBytes: true,
});

export class Etcd implements AsyncDisposable {
  /** Time in your hands. */
  readonly clock: TestClock;
  readonly #universe: Universe;
  readonly #clients = new Set<EtcdClient>();
  #isClosed = false;

  /** One member. Settles when it serves. @throws TypeError for options that do not exist. */
  static async memory(options: MemoryOptions = {}): Promise<Etcd> {
    refuseUnknown("Etcd.memory", options, MEMORY_OPTIONS);
    return Etcd.#start({ ...defaults(options), size: 1, latencyMs: 0, syncMs: 0 });
  }

  static async #start(options: UniverseOptions, state?: UniverseState): Promise<Etcd> {
    const universe = new Universe(options, state);
    await universe.start();
    return new Etcd(universe);
  }

  private constructor(universe: Universe) {
    this.#universe = universe;
    this.clock = new TestClock(universe.clock, universe.flow);
  }

  /**
   * A client of all members, as `etcd-ts/client` has it, without sockets and on this clock. It is
   * closed with the members.
   */
  client(options: Omit<EtcdClientOptions, "clock" | "random" | "tls"> = {}): EtcdClient {
    this.#mustBeOpen("client");
    const { flow, urls } = this.#universe;
    const random = this.#universe.numbers();
    const client = new EtcdClient(
      { endpoints: urls, ...options, clock: this.#universe.clock, random },
      {
        dial: (target, dialOptions) => this.#universe.dial(target, dialOptions),
        begun: () => flow.begun(),
      },
    );
    this.#clients.add(client);
    return client;
  }

  /** Keys that begin with `prefix` and their values, as text, in byte order. */
  dump(prefix: string = ""): Record<string, string> {
    const { server } = this.#look("dump");
    return Object.fromEntries(
      keysWith(server, prefix).map(({ keyText, valueText }) => [keyText, valueText]),
    );
  }

  /** All changes of a key that compaction has left, the oldest first. */
  history(key: string): Change[] {
    return changesOf(this.#look("history").server, key);
  }

  /** What the members were asked, the oldest first: the last 10,000 requests. */
  requests(): readonly RecordedRequest[] {
    this.#mustBeOpen("requests");
    return [...this.#universe.ledger.requests];
  }

  /**
   * Settles with the key when `predicate` holds for it; it gets undefined while the key is not
   * there. Without `within` time stands still meanwhile; with it time passes, and the promise
   * rejects when so much has passed in vain.
   */
  async waitFor(
    key: string,
    predicate: (kv: KeyValue | undefined) => boolean = (kv) => kv !== undefined,
    options: { readonly within?: Duration } = {},
  ): Promise<KeyValue | undefined> {
    this.#mustBeOpen("waitFor");
    const { flow } = this.#universe;
    let found: KeyValue | undefined;
    const holds = (): boolean => {
      const server = this.#universe.freshest;
      found = server === undefined ? undefined : keyAt(server, key);
      return server !== undefined && predicate(found);
    };
    const { within } = options;
    const isTrue = await (within === undefined
      ? flow.whenever(holds)
      : flow.until(holds, durationMs("waitFor", within)));
    if (isTrue) return found;
    const now = found === undefined ? "there is no such key" : `it is ${found.toString()}`;
    const when = within === undefined ? "before the end" : `within ${within}`;
    throw new Error(`waitFor("${key}"): not true ${when}; ${now}`);
  }

  /**
   * The next calls of this name fail: "put", "range", "txn", "leaseGrant", "watch" … `times`
   * counts how many, 1 unless given. @throws TypeError for the name of no call and of no error.
   */
  failNext(call: string, error: Failure, times: number = 1): void {
    this.#mustBeOpen("failNext");
    this.#universe.ledger.failNext(call, error, times);
  }

  /** Ends clients and members. May be called repeatedly. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const client of this.#clients) client.close();
    await this.#universe.flow.rest();
    this.#universe.stop();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #look(method: string): { server: NonNullable<Universe["freshest"]> } {
    this.#mustBeOpen(method);
    const server = this.#universe.freshest;
    if (server === undefined) throw new Error(`${method}: no member runs`);
    return { server };
  }

  #mustBeOpen(method: string): void {
    if (this.#isClosed) throw new Error(`${method}: this etcd was closed`);
  }
}

function defaults(options: MemoryOptions): Omit<UniverseOptions, "size" | "latencyMs" | "syncMs"> {
  return { ...options, seed: options.seed ?? 1 };
}

function refuseUnknown(where: string, options: object, known: ReadonlySet<string>): void {
  const problem = unknownOption(where, options, known);
  if (problem !== undefined) throw new TypeError(problem);
}
