/**
 * Clients that read and write while faults happen: registers, conditional and multi-key
 * transactions, keys with leases, compactions. Every request goes to one member, once, with a short
 * deadline; what was answered is recorded, and so is what was not.
 */
import type { Random } from "../src/env/random.ts";
import { EtcdClient } from "../src/client/index.ts";
import type { KVRequest, KVResult, OperationRequest } from "../src/checkers/history.ts";
import type { Cluster } from "./cluster.ts";
import { pause } from "./cluster.ts";
import { leaseName, nowUs, type Recorder } from "./recorder.ts";

/** Longer than an election, so that requests survive one if they are lucky. */
const REQUEST_TIMEOUT_MS = 1200;
/** Think time; bounds the length of the history. */
const THINK_MS = 12;
const REGISTERS = 6;
const PAIRS = 3;
const LEASE_TTL_SECONDS = 2;
const COMPACT_EVERY_MS = 3000;
/** Revisions that stay readable, so that watches can resume after most faults. */
const KEPT_REVISIONS = 1500;
/** Everything that the workload writes lies in this range. */
export const ALL_KEYS = { key: "a", end: "z" } as const;

export class Workload {
  readonly #cluster: Cluster;
  readonly #recorder: Recorder;
  readonly #random: Random;
  readonly #workers: Promise<void>[] = [];
  readonly #stopping = new AbortController();
  #values = 0;

  constructor(cluster: Cluster, recorder: Recorder, random: Random) {
    this.#cluster = cluster;
    this.#recorder = recorder;
    this.#random = random;
  }

  start(clients: number): void {
    for (let id = 0; id < clients; id++) this.#workers.push(this.#work(id));
    this.#workers.push(this.#compact());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#workers);
  }

  async #work(id: number): Promise<void> {
    const { members } = this.#cluster;
    // Its own client per member: a request must not wait behind another worker's dial.
    const clients = members.map(
      ({ clientUrl }) =>
        new EtcdClient({ endpoints: clientUrl, maxAttempts: 1, backoffMs: 20, maxBackoffMs: 200 }),
    );
    let at = id % members.length;
    const seen = new Map<string, number>();
    while (!this.#stopping.signal.aborted) {
      const client = clients[at];
      const member = members[at];
      if (client === undefined || member === undefined) break;
      const options = { timeoutMs: REQUEST_TIMEOUT_MS };
      const request = await this.#next(client, seen);
      const operation = await this.#recorder.run(client, id, member.name, request, options);
      if (operation.outcome.kind === "ok") {
        if (operation.outcome.result.kind !== "revoke") note(seen, operation.outcome.result);
      } else if (this.#random.below(2) === 0) {
        at = this.#random.below(members.length);
      }
      if (this.#random.below(50) === 0) at = this.#random.below(members.length);
      await pause(this.#random.below(2 * THINK_MS));
    }
    for (const client of clients) client.close();
  }

  async #next(client: EtcdClient, seen: ReadonlyMap<string, number>): Promise<OperationRequest> {
    const register = `r${this.#random.below(REGISTERS)}`;
    const choice = this.#random.below(20);
    if (choice < 6) return this.#put(register);
    if (choice < 11) return { kind: "get", key: register };
    if (choice < 12) return { kind: "get", ...ALL_KEYS };
    if (choice < 13) return { kind: "get", key: register, serializable: true };
    if (choice < 14) return { kind: "delete", key: register, prevKV: true };
    if (choice < 16) return this.#swap(register, seen.get(register) ?? 0);
    if (choice < 19) return this.#pair();
    return this.#leased(client);
  }

  #put(key: string, lease = ""): KVRequest {
    const prevKV = this.#random.below(2) === 0;
    return { kind: "put", key, value: `v${this.#values++}`, lease, prevKV };
  }

  /** Writes if the key is as this client saw it last. */
  #swap(key: string, modRevision: number): KVRequest {
    return {
      kind: "txn",
      compares: [{ key, target: "modRevision", relation: "=", operand: modRevision }],
      success: [this.#put(key)],
      failure: [{ kind: "get", key }],
    };
  }

  /** Two keys that change together, or are read together. */
  #pair(): KVRequest {
    const pair = this.#random.below(PAIRS);
    const keys = [`p${pair}a`, `p${pair}b`] as const;
    const reads: KVRequest[] = keys.map((key) => ({ kind: "get", key }));
    if (this.#random.below(2) === 0) {
      return { kind: "txn", compares: [], success: reads, failure: [] };
    }
    const value = `v${this.#values++}`;
    const remove = this.#random.below(6) === 0;
    const writes: KVRequest[] = keys.map((key) =>
      remove ? { kind: "delete", key } : { kind: "put", key, value },
    );
    const [first] = keys;
    const compares =
      this.#random.below(2) === 0
        ? [{ key: first, target: "version", relation: "<", operand: 20 } as const]
        : [];
    return { kind: "txn", compares, success: writes, failure: reads };
  }

  /** Grants a lease and writes with it; it may expire from then on, or be revoked. */
  async #leased(client: EtcdClient): Promise<OperationRequest> {
    const key = `l${this.#random.below(3)}`;
    if (this.#leases.length > 0 && this.#random.below(3) === 0) {
      const lease = this.#leases[this.#random.below(this.#leases.length)];
      if (lease !== undefined) return { kind: "revoke", lease };
    }
    const calledUs = nowUs();
    try {
      const granted = await client.lease.grant(LEASE_TTL_SECONDS, {
        timeoutMs: REQUEST_TIMEOUT_MS,
      });
      const lease = leaseName(granted.ID);
      this.#recorder.expect(lease, calledUs + granted.TTL * 1e6);
      this.#leases.push(lease);
      if (this.#leases.length > 20) this.#leases.shift();
      return this.#put(key, lease);
    } catch {
      return { kind: "get", key };
    }
  }

  readonly #leases: string[] = [];

  async #compact(): Promise<void> {
    let lastMs = performance.now();
    while (!this.#stopping.signal.aborted) {
      await pause(THINK_MS * 10);
      if (performance.now() - lastMs < COMPACT_EVERY_MS) continue;
      lastMs = performance.now();
      const { members } = this.#cluster;
      const member = members[this.#random.below(members.length)];
      const [status] = member === undefined ? [] : await this.#cluster.statuses([member]);
      if (status === undefined || status.revision <= KEPT_REVISIONS) continue;
      const revision = status.revision - KEPT_REVISIONS;
      this.#recorder.compactions.push({ revision, callTime: nowUs() });
      // Refused or unanswered, it may still happen; that is what the record says.
      await this.#cluster
        .admin(member)
        .kv.compact(revision, { timeoutMs: REQUEST_TIMEOUT_MS })
        .catch(() => undefined);
    }
  }
}

/** Remembers the latest revision of each key. */
function note(seen: Map<string, number>, result: KVResult): void {
  if (result.kind === "get") for (const kv of result.kvs) seen.set(kv.key, kv.modRevision);
  if (result.kind === "txn") for (const each of result.results) note(seen, each);
}
