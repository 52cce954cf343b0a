/**
 * Requests that went into raft and wait to be applied. An entry proposed here carries its
 * proposal along, so that the applier needs neither to decode it again nor to look it up.
 *
 * Invariants: a proposal is settled exactly once, by the applied entry, a timeout or the stop of
 * the member. A timeout says nothing about the fate of the write.
 */
import type { PlainTxn } from "../../api/plain-txn.ts";
import type { EtcdError } from "../../api/errors.ts";
import { Request } from "../../api/gen/etcdserver.ts";
import { ConfChange, type Entry, EntryType } from "../../api/gen/raft.ts";
import {
  requestIDFromBigInt,
  type RequestIDGenerator,
  requestIDToBigInt,
} from "../../base/id-generator.ts";
import { IdTable } from "../../base/id-table.ts";
import { type Identity, NOBODY } from "../../auth/index.ts";
import type { CallSpan, Clock, Timer } from "../../env/index.ts";
import type { StoreEvent, V2Error } from "../../v2store/index.ts";
import type { EntryRequest } from "./entry-request.ts";
import { SPAN_NAMES } from "../span-names.ts";
import { bodyOffset, encodeRaftRequest, RaftField } from "./raft-request.ts";

/** What applying an entry gave: an encoded response, or the error of etcd's table. */
export type Outcome =
  | {
      readonly error: undefined;
      readonly reply: readonly Uint8Array[];
      /** Of a request of the v2 store, which has no encoded response. */
      readonly v2?: V2Outcome | undefined;
    }
  | { readonly error: EtcdError; readonly reply: undefined; readonly v2?: undefined };

/** What a request of the v2 store did, or why it did nothing. */
export type V2Outcome = StoreEvent | V2Error;

/** `appliedMs`: `Clock.nowMs` when its entry began to be applied, absent if it was not. */
export type Settle = (outcome: Outcome, appliedMs?: number) => void;

export interface Proposal {
  readonly idLow: number;
  /** Length of the entry's data. */
  readonly bytes: number;
  /** Field number of the request in `InternalRaftRequest`. */
  readonly field: number;
  /**
   * The decoded request, of the type that `field` says; it borrows the entry's data. May be decoded
   * when it is asked for.
   */
  readonly request: unknown;
  /** What the request says, where that is so little that it need not be decoded. */
  readonly plainTxn?: PlainTxn | undefined;
  /** On whose behalf it is to be applied. */
  readonly identity: Identity;
  /** `Clock.nowMs` when it was submitted. */
  readonly startMs: number;
  settle(outcome: Outcome, appliedMs?: number): void;
  /** Of a membership change: called instead of `settle` when raft did not take it. */
  readonly onDropped: (() => void) | undefined;
  /** Of the call, when it is recorded for distributed tracing. */
  readonly span: CallSpan | undefined;
}

/** An entry that remembers who waits for it. Same fields in the same order as a decoded entry. */
export interface ProposedEntry extends Entry {
  proposal?: Proposal | undefined;
  /** Of an entry from another member, which was decoded when it came; gone once it is applied. */
  decoded?: EntryRequest | undefined;
}

/** Entry data that is not proposed yet, with the place of the request's body in it. */
export interface BuiltRequest {
  readonly field: number;
  readonly data: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly idLow: number;
  readonly identity: Identity;
}

/** How often waiting proposals are checked for their deadline. */
const TIMEOUT_CHECK_INTERVAL_MS = 100;

export class Proposals {
  readonly #clock: Clock;
  readonly #ids: RequestIDGenerator;
  readonly #timeoutMs: number;
  readonly #timeoutError: (startMs: number) => EtcdError;
  /** By the low half of their ids. */
  readonly #waiting = new IdTable<Proposal>();
  #waitingBytes = 0;
  /** Nothing that waits was submitted before this: tells when it is worth looking at all of it. */
  #oldestMs = Number.POSITIVE_INFINITY;
  #batch: ProposedEntry[] = [];
  #timer: Timer | undefined;

  constructor(options: {
    readonly clock: Clock;
    readonly ids: RequestIDGenerator;
    readonly timeoutMs: number;
    /** Chooses the words at the moment of a timeout (leader lost, connection lost ...). */
    readonly timeoutError: (startMs: number) => EtcdError;
  }) {
    this.#clock = options.clock;
    this.#ids = options.ids;
    this.#timeoutMs = options.timeoutMs;
    this.#timeoutError = options.timeoutError;
  }

  get waitingCount(): number {
    return this.#waiting.size;
  }

  /** Entry data of all that waits. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * Embeds the request in entry data, of its own memory. Nothing is queued: decode the request out
   * of `data` and check it, then `submit`.
   */
  build(field: number, body: Uint8Array, identity: Identity, bodyHasRoom = false): BuiltRequest {
    const id = this.#ids.next();
    const data = encodeRaftRequest(field, body, id, identity, bodyHasRoom);
    const start = bodyOffset(field, body.length);
    return { field, data, start, end: start + body.length, idLow: id.low48, identity };
  }

  /** Queues a request for the next `takeBatch`. `request` is what was decoded out of it. */
  submit(built: BuiltRequest, request: unknown, settle: Settle, span?: CallSpan): void {
    this.#submit(EntryType.EntryNormal, built, request, settle, undefined, span);
  }

  /** As `submit`, for who brings the proposal for entry data that was built. */
  add(data: Uint8Array, proposal: Proposal): void {
    this.#queue(EntryType.EntryNormal, data, proposal);
  }

  /** Queues a request of the v2 store: an entry of its own kind, with the request's id in it. */
  submitV2(request: Request, settle: Settle): void {
    const id = this.#ids.next();
    const data = Request.encode({ ...request, ID: requestIDToBigInt(id) });
    const built = { field: RaftField.v2, data, idLow: id.low48, identity: NOBODY };
    this.#submit(EntryType.EntryNormal, built, request, settle, undefined);
  }

  #submit(
    type: EntryType,
    { field, data, idLow, identity }: Omit<BuiltRequest, "start" | "end">,
    request: unknown,
    settle: Settle,
    onDropped: (() => void) | undefined,
    span?: CallSpan,
  ): void {
    const startMs = this.#clock.nowMs();
    const bytes = data.length;
    this.#queue(type, data, {
      idLow,
      bytes,
      field,
      request,
      identity,
      startMs,
      settle,
      onDropped,
      span,
    });
  }

  #queue(type: EntryType, data: Uint8Array, proposal: Proposal): void {
    this.#wait(proposal);
    this.#batch.push({ type, term: 0, index: 0, data, proposal });
  }

  /**
   * Queues a membership change; it gets its request id here. Of `settle` and `onDropped` one is
   * called.
   */
  submitConfChange(change: ConfChange, settle: Settle, onDropped: () => void): void {
    const id = this.#ids.next();
    const data = ConfChange.encode({ ...change, id: requestIDToBigInt(id) });
    const { low48: idLow } = id;
    const built = { field: 0, data, idLow, identity: NOBODY };
    this.#submit(EntryType.EntryConfChange, built, undefined, settle, onDropped);
  }

  get hasBatch(): boolean {
    return this.#batch.length > 0;
  }

  /** Returns a batch that raft would not take; it goes first next time. */
  putBack(batch: readonly ProposedEntry[]): void {
    this.#batch = [...batch.filter((entry) => this.#isWaiting(entry)), ...this.#batch];
  }

  #isWaiting(entry: ProposedEntry): boolean {
    return entry.proposal !== undefined && this.#waiting.get(entry.proposal.idLow) !== undefined;
  }

  takeBatch(): ProposedEntry[] {
    const batch = this.#batch;
    this.#batch = [];
    return batch;
  }

  /** The proposal that an applied entry belongs to, if it is one of ours and still waits. */
  take(entry: ProposedEntry): Proposal | undefined {
    const proposal = entry.proposal;
    if (proposal === undefined) return undefined;
    // The log keeps entries for followers; what they carry must not live as long.
    entry.proposal = undefined;
    return this.#forget(proposal) ? proposal : undefined;
  }

  /**
   * A proposal that was taken waits again, for an entry that is applied in slices: it may time out,
   * and then `finish` says that it was settled.
   */
  waitOn(proposal: Proposal): void {
    this.#wait(proposal);
  }

  #wait(proposal: Proposal): void {
    this.#waiting.set(proposal.idLow, proposal);
    this.#waitingBytes += proposal.bytes;
    if (proposal.startMs < this.#oldestMs) this.#oldestMs = proposal.startMs;
    if (this.#timer === undefined) this.#arm();
  }

  /** True if the proposal still waited; it does not any more. */
  finish(proposal: Proposal): boolean {
    return this.#forget(proposal);
  }

  /** The same for an entry that came back from another member. */
  takeByID(idLow: number, idHigh: number): Proposal | undefined {
    if (idHigh !== this.#ids.high16) return undefined;
    const proposal = this.#waiting.get(idLow);
    if (proposal !== undefined) this.#forget(proposal);
    return proposal;
  }

  /** Of the call that an entry comes from, if it is one of ours, still waits and is recorded. */
  spanOf({ proposal, decoded }: ProposedEntry): CallSpan | undefined {
    if (proposal !== undefined) return proposal.span;
    if (decoded === undefined || decoded.idHigh !== this.#ids.high16) return undefined;
    return this.#waiting.get(decoded.idLow)?.span;
  }

  /** The same for a membership change, whose id stands in the change. */
  takeConfChange(entry: Entry): Proposal | undefined {
    if (entry.type !== EntryType.EntryConfChange) return undefined;
    const { low48, high16 } = requestIDFromBigInt(ConfChange.decode(entry.data).id);
    return this.takeByID(low48, high16);
  }

  /**
   * An empty entry was applied. If it stands where this member, as the leader, was to append a
   * membership change while another one was under way, the change has not been made and never will.
   */
  dropped(entry: ProposedEntry): void {
    if (entry.proposal?.onDropped === undefined) return;
    this.take(entry)?.onDropped?.();
  }

  /** False if it was settled before. */
  #forget(proposal: Proposal): boolean {
    if (!this.#waiting.delete(proposal.idLow)) return false;
    this.#waitingBytes -= proposal.bytes;
    return true;
  }

  /** Settles everything that waits, as when the member stops. */
  failAll(error: EtcdError): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const waiting = this.#waiting.values().sort(bySubmission);
    this.#waiting.clear();
    this.#waitingBytes = 0;
    this.#batch = [];
    for (const proposal of waiting) proposal.settle({ error, reply: undefined });
  }

  #arm(): void {
    this.#timer = this.#clock.setTimer(TIMEOUT_CHECK_INTERVAL_MS, () => {
      this.#timer = undefined;
      this.#expire();
      if (this.#waiting.size > 0) this.#arm();
    });
  }

  #expire(): void {
    const now = this.#clock.nowMs();
    const submittedBy = now - this.#timeoutMs;
    if (this.#oldestMs > submittedBy) return;
    const over: Proposal[] = [];
    this.#oldestMs = Number.POSITIVE_INFINITY;
    for (const proposal of this.#waiting.values()) {
      if (proposal.startMs <= submittedBy) over.push(proposal);
      else this.#oldestMs = Math.min(this.#oldestMs, proposal.startMs);
    }
    for (const proposal of over.sort(bySubmission)) {
      if (!this.#forget(proposal)) continue;
      proposal.span?.child(SPAN_NAMES.propose, proposal.startMs, now);
      proposal.settle({ error: this.#timeoutError(proposal.startMs), reply: undefined });
    }
    // What no leader has taken must not reach the next one after its asker was told.
    if (over.length > 0) this.#batch = this.#batch.filter((entry) => this.#isWaiting(entry));
  }
}

function bySubmission(a: Proposal, b: Proposal): number {
  return a.startMs - b.startMs || a.idLow - b.idLow;
}
