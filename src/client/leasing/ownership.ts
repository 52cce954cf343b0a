/**
 * The session of one owner: its lease, under which the keys that stand for ownership live, and the
 * watch that tells who else wants a key. Whatever ends the session ends all ownership, and another
 * one begins.
 */
import type { KeyValue } from "../../api/gen/kv.ts";
import {
  Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeRequest,
  type RequestOp,
  TxnRequest,
} from "../../api/gen/rpc.ts";
import { bytesFromLatin1, latin1FromBytes, utf8FromBytes } from "../../base/bytes.ts";
import type { LeaseID, Revision } from "../../base/ids.ts";
import { Session } from "../concurrency/session.ts";
import { EtcdClientError, isErrorKind } from "../errors.ts";
import type { KVCalls } from "../kv-calls.ts";
import type { KeyPrefix } from "../namespace/key-prefix.ts";
import type { KeyClient } from "../namespace/namespace.ts";
import type { WatchEvent } from "../watch/watch-response.ts";
import { OwnedKeys } from "./owned-keys.ts";

/** What who wants a key writes into the key that stands for its ownership. etcd's word. */
export const REVOKE = "REVOKE";
/** Between a session that failed and the next one. */
const RETRY_MS = 500;
/** At the end of a session: then the lease is left to expire. */
const REVOKE_TIMEOUT_MS = 2_000;

interface Running {
  readonly opened: Promise<void>;
  readonly ended: Promise<void>;
}

export interface OwnershipDeps {
  readonly client: KeyClient;
  readonly calls: KVCalls;
  readonly prefix: KeyPrefix;
  /** All keys below the prefix. */
  readonly prefixText: Uint8Array;
  readonly ttl: number | undefined;
}

export class Ownership {
  readonly keys: OwnedKeys;
  readonly #deps: OwnershipDeps;
  readonly #stop = new AbortController();
  /** Under which keys are owned; undefined while there is none. */
  #session: Session | undefined;
  #endSession: (() => void) | undefined;
  /** Of sessions whose end no member has confirmed: their keys may hold up others. */
  readonly #unrevoked = new Set<LeaseID>();
  #running: Running | undefined;
  /** After a session that has ended. */
  #notBeforeMs = 0;

  constructor(deps: OwnershipDeps) {
    this.#deps = deps;
    this.keys = new OwnedKeys({
      clock: deps.client.clock,
      onLeave: (name, since) => void this.#leave(name, since),
    });
  }

  /** The lease of keys that can be taken now, and by which owned ones may be read. */
  get leaseID(): LeaseID | undefined {
    return this.#session?.isHeld === true ? this.#session.leaseID : undefined;
  }

  /** Whether a key that stands for ownership is this owner's. */
  isOwn({ lease }: KeyValue): boolean {
    return lease !== 0n && lease === this.#session?.leaseID;
  }

  /** Begins a session unless there is one, or the last one has only just ended. */
  begin(): void {
    if (this.#deps.client.clock.nowMs() >= this.#notBeforeMs) this.#running ??= this.#run();
  }

  /** Settles when keys can be owned; rejects when no session can be had. */
  ready(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running.opened;
  }

  /** Gives all keys back. Settles when the cluster knows, or cannot be told. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running?.ended;
  }

  /** A member says that the lease does not exist. */
  leaseIsGone(leaseID: LeaseID): void {
    if (this.#session?.leaseID === leaseID) this.#endSession?.();
  }

  #run(): Running {
    let setOpened: () => void = () => undefined;
    let fail: (error: unknown) => void = () => undefined;
    const opened = new Promise<void>((resolve, reject) => {
      setOpened = resolve;
      fail = reject;
    });
    // Whoever does not wait for it reads without owning.
    opened.catch(() => undefined);
    const ended = this.#oneSession(setOpened).catch((error: unknown) => fail(error));
    return {
      opened,
      ended: ended.then(() => {
        this.#running = undefined;
        this.#notBeforeMs = this.#deps.client.clock.nowMs() + RETRY_MS;
      }),
    };
  }

  async #oneSession(onOpen: () => void): Promise<void> {
    const { client, ttl, prefixText } = this.#deps;
    const session = await Session.create(client, { ttl, signal: this.#stop.signal });
    const ending = new AbortController();
    this.#endSession = () => ending.abort();
    const end = AbortSignal.any([this.#stop.signal, session.signal, ending.signal]);
    try {
      const watcher = client.watch(prefixText, { prefix: true, signal: end });
      await watcher.created;
      await this.#revokeOthers();
      this.#session = session;
      onOpen();
      for await (const event of watcher.events()) this.#see(session, event);
    } catch (error) {
      if (!end.aborted) throw error;
    } finally {
      this.#session = undefined;
      this.#endSession = undefined;
      this.keys.clear();
      await this.#revoke(session);
    }
  }

  async #revoke(session: Session): Promise<void> {
    const isLost = session.signal.aborted;
    if (isLost) this.#unrevoked.add(session.leaseID);
    await session.close({ timeoutMs: REVOKE_TIMEOUT_MS }).catch((error: unknown) => {
      if (!isErrorKind(error, "leaseNotFound")) this.#unrevoked.add(session.leaseID);
    });
  }

  /** Leases of earlier sessions that could not be revoked then. */
  async #revokeOthers(): Promise<void> {
    for (const leaseID of [...this.#unrevoked]) {
      await this.#deps.client.lease.revoke(leaseID).catch((error: unknown) => {
        if (!isErrorKind(error, "leaseNotFound")) throw error;
      });
      this.#unrevoked.delete(leaseID);
    }
  }

  #see(session: Session, { type, kv }: WatchEvent): void {
    const name = latin1FromBytes(this.#deps.prefix.strip(kv.key));
    if (type === "delete") {
      this.keys.vanished(name, kv.modRevision);
      return;
    }
    if (kv.lease !== session.leaseID || utf8FromBytes(kv.value) !== REVOKE) return;
    this.keys.revoked(name, kv.modRevision);
    void this.#leave(name, kv.createRevision);
  }

  /** Removes the key that stands for the ownership, which others may wait for. */
  async #leave(name: string, since: Revision): Promise<void> {
    const { calls, prefix } = this.#deps;
    const key = prefix.add(bytesFromLatin1(name));
    const request = TxnRequest.create({
      compare: [madeAt(key, since)],
      success: [deletion(key)],
    });
    try {
      await calls.txn(request, { signal: this.#stop.signal }, "repeatable");
      this.keys.left(name, since);
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      // With the session the key goes, too.
      this.#endSession?.();
    }
  }
}

export function madeAt(key: Uint8Array, revision: Revision): Compare {
  return created(key, Compare_CompareResult.EQUAL, revision);
}

export function created(key: Uint8Array, result: number, revision: Revision): Compare {
  return Compare.create({
    key,
    result,
    target: Compare_CompareTarget.CREATE,
    targetUnion: { case: "createRevision", value: revision },
  });
}

function deletion(key: Uint8Array): RequestOp {
  const value = DeleteRangeRequest.create({ key });
  return { request: { case: "requestDeleteRange", value } };
}
