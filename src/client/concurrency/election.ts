/**
 * A leader among sessions; keys are those of etcd's own clients and of its election service. As
 * with locks, a deposed leader may not know it yet: guard what it does with `isLeader()`.
 */
import type { Compare } from "../../api/gen/rpc.ts";
import { StatusCode } from "../../api/errors.ts";
import type { Revision } from "../../base/ids.ts";
import { EtcdClientError, isErrorKind } from "../errors.ts";
import type { KeyClient } from "../namespace/namespace.ts";
import type { KeyValue } from "../key-value.ts";
import { op } from "../op.ts";
import type { Bytes, CallOptions } from "../options.ts";
import type { GetResponse } from "../responses.ts";
import { QueueKey, waitUnder } from "./queue-key.ts";
import type { Session } from "./session.ts";

export class Election implements AsyncDisposable {
  readonly #queue: QueueKey;
  readonly #name: string;
  /** Our key's creation revision while we lead, otherwise 0. */
  #revision: Revision = 0;

  constructor(session: Session, name: string) {
    this.#queue = new QueueKey(session, name);
    this.#name = name;
  }

  /** The key of our candidacy. */
  get key(): string {
    return this.#queue.key;
  }

  /** The fencing token; 0 while we do not lead. */
  get revision(): Revision {
    return this.#revision;
  }

  /**
   * Waits until this session leads, and makes `value` known to those who observe. Rejects with
   * kind "leaseLost" when the session is lost meanwhile, "deadlineExceeded" or "aborted"; then the
   * candidacy is withdrawn.
   */
  async campaign(value: Bytes, options: CallOptions = {}): Promise<void> {
    const queue = this.#queue;
    let revision = 0;
    await waitUnder(
      queue.session,
      options,
      async (bounded) => {
        const place = await queue.join(value, bounded);
        revision = place.revision;
        if (place.existing !== undefined) await this.#putValue(revision, value, bounded);
        if (place.first.createRevision !== revision) await queue.waitForTurn(revision, bounded);
      },
      (error) => queue.withdraw(revision, error),
    );
    this.#revision = revision;
  }

  /** Changes the leader's value. Rejects with kind "notElected" when we do not lead. */
  async proclaim(value: Bytes, options: CallOptions = {}): Promise<void> {
    if (this.#revision === 0) throw notElected(this.key);
    await this.#putValue(this.#revision, value, options);
  }

  /** Gives the leadership up; harmless when it was lost already. */
  async resign(options: CallOptions = {}): Promise<void> {
    const revision = this.#revision;
    if (revision === 0) return;
    await this.#queue.leave(revision, options);
    this.#revision = 0;
  }

  /** Who leads now; undefined if nobody does. */
  leader(options: CallOptions = {}): Promise<KeyValue | undefined> {
    return electionLeader(this.#queue.session.client, this.#name, options);
  }

  /** See `observeElection`. */
  observe(options: CallOptions = {}): AsyncGenerator<KeyValue, void, void> {
    return observeElection(this.#queue.session.client, this.#name, options);
  }

  /** The condition that we lead, for transactions. Throws kind "notElected" if we do not. */
  isLeader(): Compare {
    if (this.#revision === 0) throw notElected(this.key);
    return this.#queue.isOurs(this.#revision);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resign();
  }

  async #putValue(revision: Revision, value: Bytes, options: CallOptions): Promise<void> {
    const { session, key } = this.#queue;
    const { succeeded } = await session.client.kv
      .txn()
      .if(this.#queue.isOurs(revision))
      .do(op.put(key, value, { lease: session.leaseID }))
      .commit(options);
    if (succeeded) return;
    this.#revision = 0;
    throw notElected(key);
  }
}

/** Who leads an election, without being a candidate; undefined if nobody does. */
export async function electionLeader(
  client: KeyClient,
  name: string,
  options: CallOptions = {},
): Promise<KeyValue | undefined> {
  return (await firstCandidate(client, name, options)).kv;
}

/**
 * The leaders of an election from now on, and the values that they proclaim, in order. When
 * leaders change quickly, some may be left out; the newest never is.
 */
export async function* observeElection(
  client: KeyClient,
  name: string,
  options: CallOptions = {},
): AsyncGenerator<KeyValue, void, void> {
  const { timeoutMs: _bound, ...unbounded } = options;
  let seen: KeyValue | undefined;
  for (;;) {
    const found = await firstCandidate(client, name, options);
    let leader = found.kv;
    leader ??= await nextPut(client, `${name}/`, found.revision + 1, unbounded);
    if (leader === undefined) {
      if (client.closed) return;
      continue;
    }
    // After a compaction the same is found again. Only the same: a candidate's key may be older
    // than the last value of the leader before.
    if (leader.modRevision !== seen?.modRevision) {
      seen = leader;
      yield leader;
    }
    const from = Math.max(found.revision, leader.modRevision) + 1;
    for await (const kv of changesOf(client, leader.key, from, unbounded)) {
      seen = kv;
      yield kv;
    }
    if (client.closed) return;
  }
}

function firstCandidate(
  client: KeyClient,
  name: string,
  options: CallOptions,
): Promise<GetResponse> {
  return client.kv.get(`${name}/`, {
    ...options,
    prefix: true,
    sortTarget: "createRevision",
    sortOrder: "ascend",
    limit: 1,
  });
}

/** The first key that is put under a prefix; undefined if the history was compacted. */
async function nextPut(
  client: KeyClient,
  prefix: string,
  startRevision: Revision,
  options: CallOptions,
): Promise<KeyValue | undefined> {
  try {
    const watcher = client.watch(prefix, {
      ...options,
      prefix: true,
      startRevision,
      filters: ["noDelete"],
    });
    for await (const event of watcher.events()) return event.kv;
  } catch (error) {
    if (!isErrorKind(error, "compacted")) throw error;
  }
  return undefined;
}

/** The values of a key until it is deleted, or the history was compacted. */
async function* changesOf(
  client: KeyClient,
  key: Uint8Array,
  startRevision: Revision,
  options: CallOptions,
): AsyncGenerator<KeyValue, void, void> {
  try {
    for await (const event of client.watch(key, { ...options, startRevision }).events()) {
      if (event.type === "delete") return;
      yield event.kv;
    }
  } catch (error) {
    if (!isErrorKind(error, "compacted")) throw error;
  }
}

function notElected(key: string): EtcdClientError {
  return new EtcdClientError(`${key} does not lead`, {
    code: StatusCode.FAILED_PRECONDITION,
    kind: "notElected",
  });
}
