/**
 * What the parts of one member share. `EtcdServer` is it; a part is given the whole, and names in
 * its type what it needs: `Pick<ServerContext, "clock" | "logger">`, with the needs of what it calls
 * (`AskLeaderNeeds`). Nobody names the whole (`tools/tidy-wings.ts`).
 */
import type { EtcdError } from "../api/errors.ts";
import type { Identity } from "../auth/index.ts";
import type { Backend } from "../backend/types.ts";
import type { RequestIDGenerator } from "../base/id-generator.ts";
import type { ClusterID, Index, MemberID, Revision, Term } from "../base/ids.ts";
import type { Request } from "../api/gen/etcdserver.ts";
import type { ConfChange } from "../api/gen/raft.ts";
import type { CallSpan, Clock, Logger, PeerNetwork } from "../env/index.ts";
import type { Lessor } from "../lease/index.ts";
import type { Cluster, Member } from "../membership/index.ts";
import type { KeyValueHash, Store, WatchableStore } from "../mvcc/index.ts";
import type { Status } from "../raft/index.ts";
import type { StoreEvent } from "../v2store/index.ts";
import type { Authentication } from "./access/authentication.ts";
import type { Alarms } from "./apply/alarms.ts";
import type { HeaderEncoder } from "./apply/header.ts";
import type { Leadership } from "./consensus/leadership.ts";
import type { LinearizableReader } from "./consensus/linearizable-reads.ts";
import type { MembershipQueue } from "./members/membership-queue.ts";
import type { ApplyCounters } from "./apply/apply-metrics.ts";
import type { ConsensusCounters } from "./consensus/consensus-metrics.ts";
import type { MembersCounters } from "./members/members-metrics.ts";
import type { ServicesCounters } from "./services/services-metrics.ts";
import type { TracingCounters } from "./tracing/tracing-metrics.ts";
import type { UpkeepCounters } from "./upkeep/upkeep-metrics.ts";
import type { RequestForms } from "./members/request-form.ts";
import type { Defer, ServerOptions } from "./options.ts";
import type { Proposals } from "./log/proposals.ts";
import type { Quota } from "./apply/quota.ts";
import type { Turns } from "./services/turns.ts";

/** What the header of a response says: which member, at which revision, in which term. */
export interface Answering {
  readonly header: HeaderEncoder;
  readonly store: Store;
  readonly term: Term;
}

/** What the wings count. Each counts its own: `Counted<ApplyCounters>`. */
export interface ServerCounters
  extends ApplyCounters,
    ConsensusCounters,
    MembersCounters,
    ServicesCounters,
    TracingCounters,
    UpkeepCounters {}

/** What counts into such counters. */
export interface Counted<Counters> {
  readonly counters: Counters;
}

export interface ServerContext extends Answering, LinearizableReader {
  readonly options: ServerOptions;
  readonly clock: Clock;
  readonly defer: Defer;
  readonly logger: Logger;
  readonly memberID: MemberID;
  readonly clusterID: ClusterID;
  readonly ids: RequestIDGenerator;
  readonly backend: Backend;
  readonly watchable: WatchableStore;
  readonly lessor: Lessor;
  readonly cluster: Cluster;
  readonly alarms: Alarms;
  /** Users, roles, logins, and who calls. */
  readonly auth: Authentication;
  readonly quota: Quota;
  readonly proposals: Proposals;
  readonly turns: Turns;
  readonly membershipQueue: MembershipQueue;
  readonly counters: ServerCounters;
  readonly network: PeerNetwork;
  /** What members of older releases need in the log. */
  readonly forms: RequestForms;
  readonly leadership: Leadership;
  /** `NO_MEMBER` when there is none. */
  readonly leader: MemberID;
  readonly isLeader: boolean;
  readonly committedIndex: Index;
  readonly appliedIndex: Index;
  /** Such as "3.6.0"; undefined before it was decided. */
  readonly storageVersion: string | undefined;
  /** Aborted when the member stops. */
  readonly stopSignal: AbortSignal;
  /** Set while writes cannot be accepted (the disk is full, the member stops). */
  readonly refusal: EtcdError | undefined;
  /** Resolves with the encoded response of a request that went through raft, on whose behalf ever. */
  propose(
    field: number,
    body: Uint8Array,
    identity?: Identity,
    span?: CallSpan,
  ): Promise<readonly Uint8Array[]>;
  /**
   * Resolves with the event of a request that went through the log of the v2 store. Rejects with a
   * `V2Error`, its answer, or with an `EtcdError`, when it may not have been applied.
   */
  proposeV2(request: Request): Promise<StoreEvent | undefined>;
  /**
   * Proposes a change of the membership; resolves with the members once it is applied here, or with
   * undefined when raft did not take it, as another one was under way. Rejects with the rule that it
   * broke, or with a timeout, which says nothing about its fate.
   */
  changeMembership(change: ConfChange): Promise<readonly Member[] | undefined>;
  /** Raft's view, with the followers' progress while this member leads. */
  raftStatus(): Status;
  /** HashKV in slices; revision 0 is the current one. */
  hashByRevision(revision: Revision): Promise<KeyValueHash>;
  /**
   * Settles when an entry that was half applied is no more, for readers of what the store cannot
   * show as it was before. Rejects with `stopped`. The next may have begun: look at
   * `store.isSuspended` again.
   */
  applyEnded(): Promise<void>;
  /** Drives a compaction to its end; settles when it is physically done and committed. */
  compactionDone(): Promise<void>;
}
