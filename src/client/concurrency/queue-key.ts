/**
 * The line that locks and elections stand in: every session puts one key under a prefix, named
 * after its lease; whose key was created first is first. Each waits for the one before it only,
 * so that a release wakes one waiter, not all.
 */
import type { Compare } from "../../api/gen/rpc.ts";
import { StatusCode } from "../../api/errors.ts";
import { formatID, type Revision } from "../../base/ids.ts";
import { checkLimits, mustBeText } from "../arguments.ts";
import { compare } from "../compare.ts";
import { closedError, deadlineError, EtcdClientError, isErrorKind } from "../errors.ts";
import type { KeyValue } from "../key-value.ts";
import { op } from "../op.ts";
import type { Bytes, CallOptions } from "../options.ts";
import type { Session } from "./session.ts";

/** Leaving the line must succeed for others to go on; but not hold a caller up forever. */
const LEAVE_TIMEOUT_MS = 10_000;

export interface Place {
  /** Creation revision of our key. */
  readonly revision: Revision;
  /** Who was first when we joined. */
  readonly first: KeyValue;
  /** The key was there already, with this value. */
  readonly existing: KeyValue | undefined;
}

export class QueueKey {
  readonly session: Session;
  /** All keys of the line begin so. */
  readonly prefix: string;
  readonly key: string;

  constructor(session: Session, name: string) {
    this.session = session;
    this.prefix = `${mustBeText("name", name)}/`;
    this.key = `${this.prefix}${formatID(session.leaseID)}`;
  }

  /** Joins the line; a session that stands in it already keeps its place. */
  async join(value: Bytes, options: CallOptions): Promise<Place> {
    const { key, session } = this;
    const getFirst = op.get(this.prefix, {
      prefix: true,
      sortTarget: "createRevision",
      sortOrder: "ascend",
      limit: 1,
    });
    const answer = await session.client.kv
      .txn()
      .if(compare.missing(key))
      .do(op.put(key, value, { lease: session.leaseID }), getFirst)
      .otherwise(op.get(key), getFirst)
      // Carried out twice, the second finds the key of the first.
      .commit({ ...options, repeatable: true });
    const existing = answer.succeeded ? undefined : answer.get(0).kv;
    const revision = existing?.createRevision ?? answer.revision;
    const first = answer.get(1).kv;
    if (first === undefined) throw this.#gone();
    return { revision, first, existing };
  }

  /**
   * Waits until no older key is left, then makes sure that ours still is: the lease may have
   * expired while we waited, and somebody else be first by now.
   */
  async waitForTurn(revision: Revision, options: CallOptions): Promise<void> {
    const { kv } = this.session.client;
    for (;;) {
      const before = await kv.get(this.prefix, {
        ...options,
        prefix: true,
        sortTarget: "createRevision",
        sortOrder: "descend",
        maxCreateRevision: revision - 1,
        limit: 1,
        keysOnly: true,
      });
      if (before.kv === undefined) break;
      await this.#waitForDelete(before.kv.key, before.revision + 1, options);
    }
    const own = await kv.get(this.key, options);
    if (own.kv?.createRevision !== revision) throw this.#gone();
  }

  async #waitForDelete(key: Uint8Array, from: Revision, options: CallOptions): Promise<void> {
    const { signal, endpoint, requireLeader } = options;
    const watcher = this.session.client.watch(key, {
      signal,
      endpoint,
      requireLeader,
      startRevision: from,
      filters: ["noPut"],
    });
    try {
      for await (const response of watcher) {
        if (response.events.length > 0) return;
      }
    } catch (error) {
      // What happened meanwhile is forgotten: the caller looks again.
      if (!isErrorKind(error, "compacted")) throw error;
      return;
    }
    throw closedError();
  }

  /** Leaves the line, if we still stand in it at this place. */
  async leave(revision: Revision, options: CallOptions): Promise<void> {
    await this.session.client.kv
      .txn()
      .if(this.isOurs(revision))
      .do(op.delete(this.key))
      .commit({ timeoutMs: LEAVE_TIMEOUT_MS, ...options, repeatable: true });
  }

  /** After a failed wait: our key may stand in line although we never learnt its revision. */
  async withdraw(revision: Revision, error: unknown): Promise<void> {
    if (revision !== 0) return this.leave(revision, {});
    const isUnknown = error instanceof EtcdClientError && error.outcomeUnknown;
    if (!isUnknown || this.session.signal.aborted) return;
    await this.session.client.kv.delete(this.key, { timeoutMs: LEAVE_TIMEOUT_MS });
  }

  /** Holds while our key is the one that was created at `revision`. */
  isOurs(revision: Revision): Compare {
    return compare.createRevision(this.key).equal(revision);
  }

  #gone(): EtcdClientError {
    return new EtcdClientError(`the lease of ${this.key} has expired or was revoked`, {
      code: StatusCode.NOT_FOUND,
      kind: "leaseLost",
    });
  }
}

/**
 * Runs `wait` with a signal that also fires when the session is lost or time is up. On failure
 * calls `leave`, then throws what failed: kind "leaseLost" if the session is.
 */
export async function waitUnder(
  session: Session,
  options: CallOptions,
  wait: (bounded: CallOptions) => Promise<void>,
  leave: (error: unknown) => Promise<void>,
): Promise<void> {
  checkLimits(options);
  const { timeoutMs, signal, ...others } = options;
  const timeout = new AbortController();
  const timer =
    timeoutMs === undefined
      ? undefined
      : session.client.clock.setTimer(timeoutMs, () => timeout.abort());
  const signals = [session.signal, timeout.signal];
  if (signal !== undefined) signals.push(signal);
  try {
    await wait({ ...others, signal: AbortSignal.any(signals) });
  } catch (error) {
    await leave(error).catch(() => undefined);
    if (session.signal.aborted) throw session.signal.reason;
    if (timeout.signal.aborted && signal?.aborted !== true) throw deadlineError(error);
    throw error;
  } finally {
    timer?.cancel();
  }
}
