/**
 * Renewals and remaining times of leases, which only the leader knows: answered here when this
 * member leads, else asked of the leader over the peers' HTTP API.
 *
 * Renewals that wait for the leader are asked side by side, a limited number at a time; those of
 * one lease that arrive while one is under way share the next.
 */
import { EtcdError } from "../../api/errors.ts";
import { LeaseInternalRequest, LeaseInternalResponse } from "../../api/gen/lease.ts";
import {
  LeaseCheckpoint,
  LeaseCheckpointRequest,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  type LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from "../../api/gen/rpc.ts";
import type { MessageType } from "../../api/message-type.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import type { LeaseID } from "../../base/ids.ts";
import type { Slice, Steps } from "../../base/slice.ts";
import { sizeVarint, writeVarint } from "../../base/varint.ts";
import { DecodeError } from "../../base/wire.ts";
import { type LeaseView, sortKeys } from "../../lease/index.ts";
import { askLeader, type AskLeaderNeeds, requestDeadlineMs } from "../consensus/ask-leader.ts";
import type { ServerContext } from "../context.ts";
import { RaftField } from "../log/raft-request.ts";
import {
  isApplied,
  type IsAppliedNeeds,
  waitApplied,
  type WaitAppliedNeeds,
} from "../consensus/wait-applied.ts";

/** Renewals under way to the leader at a time; more wait their turn. */
const MAX_PARALLEL_RENEWALS = 64;
/** As etcd's limit; a lease may hold many keys. */
const MAX_ANSWER_BYTES = 100 * 1024 * 1024;

/** What the leader knows of a lease, without a header; undefined when there is none. */
export type TimeToLive =
  | {
      readonly response: LeaseTimeToLiveResponse;
      /** Encoded `keys` fields, which follow the response's own bytes. */
      readonly encodedKeys: readonly Uint8Array[];
    }
  | undefined;

export type LeaseRenewalsNeeds = AskLeaderNeeds &
  IsAppliedNeeds &
  WaitAppliedNeeds &
  Pick<
    ServerContext,
    "applyEnded" | "isLeader" | "leadership" | "lessor" | "network" | "propose" | "store" | "turns"
  >;

interface Waiting {
  readonly deadlineMs: number;
  readonly resolve: (ttl: number) => void;
  readonly reject: (error: unknown) => void;
}

export class LeaseRenewals {
  readonly #server: LeaseRenewalsNeeds;
  /** In the order of arrival. */
  readonly #queue = new Map<LeaseID, Waiting[]>();
  readonly #asked = new Set<LeaseID>();

  constructor(server: LeaseRenewalsNeeds) {
    this.#server = server;
  }

  /** As `renew`, when that is possible at once. */
  tryRenew(id: LeaseID): number | undefined {
    const { isLeader, leadership, lessor, clock } = this.#server;
    const nowMs = clock.nowMs();
    if (!isLeader || !leadership.isActiveAt(nowMs) || !isApplied(this.#server)) return undefined;
    const outcome = lessor.renew(id, nowMs);
    if (outcome.kind === "renewed") return outcome.ttl;
    return outcome.kind === "notFound" ? 0 : undefined;
  }

  /**
   * The granted TTL, 0 for an unknown lease. Rejects with `notPrimaryLessor` when this member led
   * and cannot prove it, `timeoutWaitAppliedIndex`, `timeout`, `noLeader` or `stopped`.
   */
  renew(id: LeaseID): Promise<number> {
    return new Promise((resolve, reject) => {
      const waiting = { deadlineMs: requestDeadlineMs(this.#server), resolve, reject };
      const queued = this.#queue.get(id);
      if (queued === undefined) this.#queue.set(id, [waiting]);
      else queued.push(waiting);
      this.#askNext();
    });
  }

  /** As `renew` on the leader. Undefined when this member is not it, or not ready yet. */
  async renewHere(id: LeaseID): Promise<number | undefined> {
    const { lessor, clock, leadership, isLeader } = this.#server;
    if (!isLeader) return undefined;
    if (!(await leadership.confirm())) throw new EtcdError("notPrimaryLessor");
    await waitApplied(this.#server);
    for (;;) {
      const outcome = lessor.renew(id, clock.nowMs());
      switch (outcome.kind) {
        case "renewed":
          return outcome.ttl;
        case "notFound":
          return 0;
        case "notPrimary":
          return undefined;
        case "expired":
          await new Promise<void>((resolve) => lessor.onSettled(id, resolve));
          break;
        case "clearCheckpoint":
          await this.#clearCheckpoint(id);
      }
    }
  }

  /** Rejects as `renew` does, and with `leaderChanged`. */
  async timeToLive(request: LeaseTimeToLiveRequest): Promise<TimeToLive> {
    const { answer } = await askLeader<{ readonly answer: TimeToLive }>(this.#server, {
      here: async () => ({ answer: await this.timeToLiveHere(request) }),
      there: (url, timeoutMs) => this.#timeToLiveThere(request, url, timeoutMs),
    });
    return answer;
  }

  /** Rejects with `leaderChanged` when this member does not know the lease's time. */
  async timeToLiveHere(request: LeaseTimeToLiveRequest): Promise<TimeToLive> {
    const { lessor, clock } = this.#server;
    await waitApplied(this.#server);
    // Keys leave their leases while a write is being made in slices, and nobody may see it.
    const { store } = this.#server;
    while (request.keys && store.isSuspended) await this.#server.applyEnded();
    const lease = lessor.lookup(request.ID);
    if (lease === undefined) return undefined;
    const remaining = lessor.remainingSeconds(lease, clock.nowMs());
    if (!Number.isFinite(remaining)) throw new EtcdError("leaderChanged");
    const fields = { ID: request.ID, TTL: remaining, grantedTTL: lease.ttl };
    const response = LeaseTimeToLiveResponse.create(fields);
    return { response, encodedKeys: request.keys ? await this.#keysOf(lease) : [] };
  }

  #keysOf(lease: LeaseView): Promise<Uint8Array[]> {
    const { turns, stopSignal } = this.#server;
    return turns.result(
      (slice) => encodedKeys(lease.keysInAnyOrder(), slice),
      () => stopSignal.aborted,
    );
  }

  #askNext(): void {
    for (const [id, waiting] of this.#queue) {
      if (this.#asked.size >= MAX_PARALLEL_RENEWALS) return;
      if (this.#asked.has(id)) continue;
      this.#queue.delete(id);
      this.#asked.add(id);
      void this.#renewForAll(id, waiting).finally(() => {
        this.#asked.delete(id);
        this.#askNext();
      });
    }
  }

  async #renewForAll(id: LeaseID, waiting: readonly Waiting[]): Promise<void> {
    // The last has the most time left.
    const deadlineMs = waiting.at(-1)?.deadlineMs ?? 0;
    try {
      const work = {
        here: () => this.renewHere(id),
        there: (url: string, timeoutMs: number) => this.#renewThere(id, url, timeoutMs),
      };
      const ttl = await askLeader(this.#server, work, deadlineMs);
      for (const { resolve } of waiting) resolve(ttl);
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }

  async #renewThere(id: LeaseID, url: string, timeoutMs: number): Promise<number | undefined> {
    const body = LeaseKeepAliveRequest.encode(LeaseKeepAliveRequest.create({ ID: id }));
    const answer = await this.#post(url, "/leases", body, timeoutMs, LeaseKeepAliveResponse);
    if (answer === "notFound") return 0;
    return answer?.ID === id ? answer.TTL : undefined;
  }

  async #timeToLiveThere(
    request: LeaseTimeToLiveRequest,
    url: string,
    timeoutMs: number,
  ): Promise<{ readonly answer: TimeToLive } | undefined> {
    const question = LeaseInternalRequest.create({ LeaseTimeToLiveRequest: request });
    const body = LeaseInternalRequest.encode(question);
    const path = "/leases/internal";
    const answer = await this.#post(url, path, body, timeoutMs, LeaseInternalResponse);
    if (answer === "notFound") return { answer: undefined };
    const { LeaseTimeToLiveResponse: found } = answer ?? {};
    if (found?.ID !== request.ID) return undefined;
    return { answer: { response: found, encodedKeys: [] } };
  }

  /** Undefined when the leader could not say. */
  async #post<T>(
    url: string,
    path: string,
    body: Uint8Array,
    timeoutMs: number,
    codec: MessageType<T>,
  ): Promise<T | "notFound" | undefined> {
    const headers = { "content-type": "application/protobuf" };
    const request = { url, method: "POST", path, headers, body, timeoutMs } as const;
    const { network, logger } = this.#server;
    const answer = await network.request({ ...request, limitBytes: MAX_ANSWER_BYTES });
    if (answer.status === 404) return "notFound";
    if (answer.status !== 200) {
      const text = utf8FromBytes(answer.body.subarray(0, MAX_LOGGED_BYTES));
      logger.debug("the leader refused a question about a lease", { path, answer: text });
      return undefined;
    }
    try {
      return codec.decode(answer.body);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      logger.debug("the leader's answer about a lease is malformed", { path, error });
      return undefined;
    }
  }

  async #clearCheckpoint(id: LeaseID): Promise<void> {
    const checkpoint = LeaseCheckpoint.create({ ID: id, remainingTTL: 0 });
    const request = LeaseCheckpointRequest.create({ checkpoints: [checkpoint] });
    const body = LeaseCheckpointRequest.encode(request);
    await this.#server.propose(RaftField.leaseCheckpoint, body);
  }
}

/** Keys in one piece of a list. */
const KEYS_PER_PIECE = 1000;
/** Tag of `keys` in LeaseTimeToLiveResponse. */
const KEYS_TAG = 0x2a;

/** In byte order. */
function* encodedKeys(unordered: string[], slice: Slice): Steps<Uint8Array[]> {
  const keys = yield* sortKeys(unordered, slice);
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < keys.length; at += KEYS_PER_PIECE) {
    if (slice.isUsedUp) yield;
    const some = keys.slice(at, at + KEYS_PER_PIECE);
    slice.left -= some.length;
    pieces.push(encodeKeys(some));
  }
  return pieces;
}

function encodeKeys(keys: readonly string[]): Uint8Array {
  let size = 0;
  for (const { length } of keys) size += 1 + sizeVarint(length) + length;
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const key of keys) {
    bytes[at] = KEYS_TAG;
    at = writeVarint(bytes, at + 1, key.length);
    at += bytes.latin1Write(key, at);
  }
  return bytes;
}

/** Of an answer that nobody expected. */
const MAX_LOGGED_BYTES = 256;
