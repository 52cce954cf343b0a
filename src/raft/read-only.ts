/**
 * Linearizable reads that wait for the leader to prove that it still leads (raft thesis 6.4).
 *
 * Reads queue in arrival order. A heartbeat carries the position of the newest queued read; a
 * voter's echo of that position proves that it still followed this leader after the read had
 * arrived, so it counts for that read and for all before it. A read is confirmed when a quorum has
 * echoed its position or a later one.
 *
 * The position is counted here and never taken from the request: two requests with equal contexts,
 * or an echo of an older heartbeat, cannot confirm each other (etcd issue 20418). Echoes of
 * earlier terms never get here, because messages of lower terms are dropped first.
 */
import type { Message } from "../api/gen/raft.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import type { Index, MemberID } from "../base/ids.ts";
import { type JointVoters, jointCommitted } from "./quorum/joint.ts";

const CONTEXT_BYTES = 8;

export interface PendingRead {
  readonly request: Message;
  /** The commit index when the request arrived: what the reader must at least see. */
  readonly index: Index;
}

export class ReadOnlyQueue {
  #pending: PendingRead[] = [];
  /** Position of the last confirmed read; positions count from 1 within a leader's term. */
  #confirmed = 0;
  readonly #acks = new Map<MemberID, number>();

  add(request: Message, index: Index): void {
    this.#pending.push({ request, index });
  }

  /** What the next heartbeats shall carry; empty when nothing waits. */
  heartbeatContext(): Uint8Array {
    if (this.#pending.length === 0) return EMPTY_BYTES;
    const context = new Uint8Array(CONTEXT_BYTES);
    new DataView(context.buffer).setBigUint64(0, BigInt(this.#lastPosition), true);
    return context;
  }

  /** Takes the echo of a heartbeat. A context that this leader cannot have sent is ignored. */
  acknowledge(from: MemberID, context: Uint8Array): void {
    if (context.length !== CONTEXT_BYTES) return;
    const view = new DataView(context.buffer, context.byteOffset, CONTEXT_BYTES);
    const position = Number(view.getBigUint64(0, true));
    if (position > this.#lastPosition) return;
    this.#acks.set(from, Math.max(this.#acks.get(from) ?? 0, position));
  }

  /** Removes and returns the reads that are confirmed by now, oldest first. */
  takeConfirmed(voters: JointVoters): PendingRead[] {
    const position = jointCommitted(voters, { ackedIndex: (voter) => this.#acks.get(voter) });
    const count = Math.min(position, this.#lastPosition) - this.#confirmed;
    if (count <= 0) return [];
    this.#confirmed += count;
    return this.#pending.splice(0, count);
  }

  get #lastPosition(): number {
    return this.#confirmed + this.#pending.length;
  }
}
