/**
 * Applies committed entries in log order: decides what an entry is, whether the backend already
 * contains it, hands its request to the `Applier`, and settles whoever proposed it here.
 *
 * Invariant: the consistent index moves to an entry only after all its changes are in the open
 * backend batch, with no chance of a commit in between, as all of this is synchronous. An entry that
 * is applied in slices holds commits while its records reach the backend, up to the stretch in which
 * the index moves.
 */
import type { Request } from "../../api/gen/etcdserver.ts";
import { AlarmRequest, AlarmRequest_AlarmAction, AlarmType } from "../../api/gen/rpc.ts";
import { type ConfState, EntryType, type Snapshot } from "../../api/gen/raft.ts";
import type { Index, Term } from "../../base/ids.ts";
import type { Slice, Steps } from "../../base/slice.ts";
import { emptyConfState } from "../../raft/index.ts";
import type { AppliedRequest, Applier } from "./applier.ts";
import type { V2Store } from "../../v2store/index.ts";
import type { ConfChangeApplier } from "./conf-change-applier.ts";
import type { ConsistentIndex } from "./consistent-index.ts";
import type { ServerContext } from "../context.ts";
import { decodeEntryRequest } from "../log/entry-request.ts";
import type { Outcome, Proposal, Proposals, ProposedEntry } from "../log/proposals.ts";
import { RaftField } from "../log/raft-request.ts";
import type { TracedWrites } from "./traced-writes.ts";
import { V2Applier, type V2ApplierNeeds } from "./v2-applier.ts";

export type EntryApplierNeeds = V2ApplierNeeds &
  Pick<ServerContext, "alarms" | "defer" | "logger" | "memberID" | "propose" | "quota">;

export interface EntryApplierOptions {
  readonly server: EntryApplierNeeds;
  /** Who waits for entries that were proposed here. */
  readonly proposals: Proposals;
  readonly consistentIndex: ConsistentIndex;
  readonly confChanges: ConfChangeApplier;
  readonly applier: Applier;
  readonly v2store: V2Store;
  /** The leader's first entry. May have more to do than fits into a stretch. */
  readonly onFirstEntryOfTerm: (term: Term, slice: Slice) => Steps<void> | undefined;
  readonly onRemovedSelf: () => void;
  /** Absent without distributed tracing. */
  readonly traced: TracedWrites | undefined;
  /** Where the log in memory begins: index and configuration of the snapshot. */
  readonly startIndex: Index;
  readonly startTerm: Term;
  readonly startConfState: ConfState;
}

const NO_REPLY: readonly Uint8Array[] = [];

export class EntryApplier {
  readonly #options: EntryApplierOptions;
  #appliedIndex: Index;
  #appliedTerm: Term;
  #confState: ConfState;
  readonly #v2: V2Applier;

  constructor(options: EntryApplierOptions) {
    this.#options = options;
    this.#v2 = new V2Applier(options.server, options.v2store);
    this.#appliedIndex = options.startIndex;
    this.#appliedTerm = options.startTerm;
    this.#confState = options.startConfState;
  }

  get appliedIndex(): Index {
    return this.#appliedIndex;
  }

  get appliedTerm(): Term {
    return this.#appliedTerm;
  }

  get confState(): ConfState {
    return this.#confState;
  }

  /** Db and v2 store were replaced by those of a snapshot: everything up to its index is applied. */
  restored(snapshot: Snapshot): void {
    const { index, term, confState } = snapshot.metadata;
    const { confChanges, v2store } = this.#options;
    this.#appliedIndex = index;
    this.#appliedTerm = term;
    this.#confState = confState ?? emptyConfState();
    // The db may be ahead of the snapshot: what lies between is replayed.
    confChanges.replayFrom(v2store.documented);
  }

  /**
   * Applies the entry, or gives the steps that do: then they are run to their end before anything
   * else is applied. `slice` is theirs to use.
   */
  apply(entry: ProposedEntry, slice: Slice): Steps<void> | undefined {
    // Handed out before a snapshot came that has it.
    if (entry.index <= this.#appliedIndex) return undefined;
    const { consistentIndex } = this.#options;
    const isNew = entry.index > consistentIndex.index;
    if (entry.type !== EntryType.EntryNormal) this.#applyConfChange(entry, isNew);
    else if (!isNew && entry.data.length > 0) this.#v2.replay(entry.data);
    else if (isNew && entry.data.length > 0) {
      const steps = this.#applyNormal(entry, slice);
      if (steps !== undefined) return this.#runThenAdvance(steps, entry, true);
    } else if (entry.data.length === 0) {
      const steps = this.#options.onFirstEntryOfTerm(entry.term, slice);
      if (steps !== undefined) return this.#runThenAdvance(steps, entry, isNew);
    }
    this.#advance(entry, isNew);
    return undefined;
  }

  *#runThenAdvance(steps: Steps<void>, entry: ProposedEntry, isNew: boolean): Steps<void> {
    yield* steps;
    this.#advance(entry, isNew);
  }

  #advance(entry: ProposedEntry, isNew: boolean): void {
    const { consistentIndex } = this.#options;
    this.#appliedIndex = entry.index;
    this.#appliedTerm = entry.term;
    if (isNew) consistentIndex.advance(entry.index, entry.term);
    if (entry.type === EntryType.EntryNormal && entry.data.length === 0) {
      this.#options.proposals.dropped(entry);
    }
  }

  #applyConfChange(entry: ProposedEntry, isNew: boolean): void {
    const { confChanges, consistentIndex, onRemovedSelf, proposals } = this.#options;
    const applied = confChanges.apply(entry, isNew);
    this.#confState = applied.confState;
    consistentIndex.setConfState(applied.confState);
    const proposal = proposals.take(entry) ?? proposals.takeConfChange(entry);
    const { error } = applied;
    proposal?.settle(
      error === undefined ? { error: undefined, reply: NO_REPLY } : { error, reply: undefined },
    );
    if (applied.removedSelf) onRemovedSelf();
  }

  #applyNormal(entry: ProposedEntry, slice: Slice): Steps<void> | undefined {
    const { applier, proposals } = this.#options;
    let proposal = proposals.take(entry);
    let decoded: AppliedRequest;
    if (proposal !== undefined) decoded = proposal;
    else {
      const result = entry.decoded ?? decodeEntryRequest(entry.data);
      // The log keeps entries for followers; what they carry must not live as long.
      entry.decoded = undefined;
      decoded = result;
      proposal = proposals.takeByID(result.idLow, result.idHigh);
    }
    if (decoded.field === RaftField.v2) {
      this.#settle(proposal, this.#v2.apply(decoded.request as Request));
      return undefined;
    }
    const isAwaited = proposal !== undefined;
    const steps = applier.applyInSteps(decoded, entry.index, isAwaited, slice);
    if (steps !== undefined) {
      if (proposal !== undefined) proposals.waitOn(proposal);
      return this.#runThenSettle(steps, proposal);
    }
    this.#settle(proposal, applier.apply(decoded, entry.index, isAwaited));
    return undefined;
  }

  *#runThenSettle(steps: Steps<Outcome>, proposal: Proposal | undefined): Steps<void> {
    const outcome = yield* steps;
    const waits = proposal !== undefined && this.#options.proposals.finish(proposal);
    this.#settle(waits ? proposal : undefined, outcome);
  }

  #settle(proposal: Proposal | undefined, outcome: Outcome): void {
    const { applier, server } = this.#options;
    if (outcome.error?.kind === "noSpace" && !server.alarms.has(AlarmType.NOSPACE)) {
      this.#raiseNoSpace(proposal, outcome);
      return;
    }
    if (proposal === undefined) return;
    const { span } = proposal;
    if (span !== undefined) this.#options.traced?.applied(span, proposal, applier.startedMs);
    proposal.settle(outcome, applier.startedMs);
  }

  /** The quota was passed by an entry that was proposed before: every member says so. */
  #raiseNoSpace(proposal: Proposal | undefined, outcome: Outcome): void {
    const { server } = this.#options;
    server.logger.warn("message exceeded backend quota; raising alarm", {
      "quota-size-bytes": server.quota.limitBytes,
      error: outcome.error,
    });
    const request = AlarmRequest.create({
      memberID: server.memberID,
      action: AlarmRequest_AlarmAction.ACTIVATE,
      alarm: AlarmType.NOSPACE,
    });
    const settle = () => proposal?.settle(outcome);
    // Inside the apply loop nothing may be proposed; the next turn may.
    server.defer(() => {
      server.propose(RaftField.alarm, AlarmRequest.encode(request)).then(settle, settle);
    });
  }
}
