/**
 * The state machine: one request of the log in, its changes made, its outcome out. Deterministic:
 * the same log gives the same bytes on every member, so nothing here looks at time, at who asked,
 * or at anything that is not itself a product of the log (the quota, as in etcd, is the one
 * exception: it only turns an answer into an error, never the change).
 */
import { EtcdError } from "../../api/errors.ts";
import type {
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
  DowngradeInfoSetRequest,
} from "../../api/gen/membership.ts";
import {
  AlarmRequest_AlarmAction,
  AlarmResponse,
  AlarmType,
  type AlarmMember,
  type AlarmRequest,
  type CompactionRequest,
  type DeleteRangeRequest,
  type LeaseCheckpointRequest,
  LeaseGrantResponse,
  type LeaseGrantRequest,
  type LeaseRevokeRequest,
  type PutRequest,
  type RangeRequest,
  type TxnRequest,
} from "../../api/gen/rpc.ts";
import type { PlainTxn } from "../../api/plain-txn.ts";
import { parseVersion, SERVER_VERSION } from "../../api/version.ts";
import { formatID, type LeaseID } from "../../base/ids.ts";
import type { Slice, Steps } from "../../base/slice.ts";
import { clusterVersionOf, isBefore, shortVersion } from "../../membership/index.ts";
import {
  type DeleteRangeResult,
  deleteKeysInSteps,
  deleteRangeInSteps,
  encodeDeleteRangeResponse,
  encodePutResponse,
  encodeRangeResponse,
  encodeTxnResponse,
  executeCompaction,
  executeDeleteRange,
  executePlainTxn,
  executePut,
  executeRange,
  executeTxn,
  isWideDeletion,
  isWideTxn,
  type TxnResult,
  txnInSteps,
} from "../../mvcc/index.ts";
import type { Identity } from "../../auth/index.ts";
import type { Index } from "../../base/ids.ts";
import type { Counted, ServerContext } from "../context.ts";
import type { MemberNodes } from "../../v2store/index.ts";
import { type LogRequestName, logRequestOf, type RequestNamed } from "../log/log-requests.ts";
import type { Outcome } from "../log/proposals.ts";
import { AuthApplier, type AuthApplierNeeds } from "./auth-applier.ts";
import { LEASE_COST_BYTES, plainTxnCost, putCost, txnCost } from "./quota.ts";
import { RaftField } from "../log/raft-request.ts";
import { RequestMeter } from "../tracing/request-meter.ts";
import type { TracingCounters } from "../tracing/tracing-metrics.ts";
import { alarmName } from "./alarms.ts";
import type { ApplyCounters } from "./apply-metrics.ts";

export interface ApplierEvents {
  /** A compaction was accepted: its physical part is to be run. */
  compactionScheduled(): void;
  clusterVersionChanged(): void;
}

export type ApplierNeeds = AuthApplierNeeds &
  Counted<ApplyCounters & TracingCounters> &
  Pick<
    ServerContext,
    | "alarms"
    | "clock"
    | "cluster"
    | "clusterID"
    | "lessor"
    | "logger"
    | "memberID"
    | "options"
    | "quota"
  >;

/** Leases with more keys are revoked in slices. */
const MAX_KEYS_OF_SMALL_LEASE = 100;

type Reply = readonly Uint8Array[];

/** For outcomes that nobody waits for. */
const NO_REPLY: Reply = [];
const DONE: Outcome = { error: undefined, reply: NO_REPLY };

/** A request of the log, and whose it is. */
export interface AppliedRequest {
  readonly field: number;
  /** Of the type that `field` says: both come from one decoder. May be decoded when asked for. */
  readonly request: unknown;
  /** What the request says, where that is so little that it need not be decoded. */
  readonly plainTxn?: PlainTxn | undefined;
  readonly identity: Identity;
}

type Handler<T> = (request: T, wantReply: boolean) => Reply;
type Handlers = { readonly [Name in LogRequestName]: Handler<RequestNamed<Name>> };

export class Applier {
  readonly #server: ApplierNeeds;
  readonly #events: ApplierEvents;
  readonly #meter: RequestMeter;
  readonly #auth: AuthApplier;
  readonly #v2members: MemberNodes | undefined;
  /** Of the entry that is being applied. */
  #index: Index = 0;
  readonly #handlers: Handlers = {
    put: (request, wantReply) => this.#put(request, wantReply),
    txn: (request, wantReply) => this.#txn(request, wantReply),
    range: (request, wantReply) => this.#range(request, wantReply),
    deleteRange: (request, wantReply) => this.#deleteRange(request, wantReply),
    compaction: (request) => this.#compact(request),
    leaseGrant: (request) => this.#leaseGrant(request),
    leaseRevoke: (request) => this.#leaseRevoke(request),
    leaseCheckpoint: (request) => this.#leaseCheckpoint(request),
    alarm: (request) => this.#alarm(request),
    clusterVersionSet: (request) => this.#setClusterVersion(request),
    clusterMemberAttrSet: (request) => this.#setMemberAttributes(request),
    downgradeInfoSet: (request) => this.#setDowngrade(request),
    authEnable: () => this.#auth.enable(),
    authDisable: () => this.#auth.disable(),
    authenticate: (request) => this.#auth.authenticate(request, this.#index),
    authUserAdd: (request) => this.#auth.addUser(request),
    authUserDelete: (request) => this.#auth.deleteUser(request),
    authUserChangePassword: (request) => this.#auth.changePassword(request),
    authUserGrantRole: (request) => this.#auth.grantRole(request),
    authUserRevokeRole: (request) => this.#auth.revokeRole(request),
    authRoleAdd: (request) => this.#auth.addRole(request),
    authRoleDelete: (request) => this.#auth.deleteRole(request),
    authRoleGrantPermission: (request) => this.#auth.grantPermission(request),
    authRoleRevokePermission: (request) => this.#auth.revokePermission(request),
    // Members of Go ask these through the log; they change nothing, and ours read instead.
    authStatus: () => NO_REPLY,
    authUserGet: () => NO_REPLY,
    authUserList: () => NO_REPLY,
    authRoleGet: () => NO_REPLY,
    authRoleList: () => NO_REPLY,
  };
  readonly #byField: ReadonlyMap<number, Handler<unknown>> = new Map(
    (Object.keys(this.#handlers) as LogRequestName[]).map((name) => [
      RaftField[name],
      // The decoder of a field and its handler have the same row.
      this.#handlers[name] as Handler<unknown>,
    ]),
  );
  /** `Clock.nowMs` when the last request began to be applied. */
  startedMs = 0;

  /** `v2members`: the membership in the v2 store, where that is kept. */
  constructor(server: ApplierNeeds, events: ApplierEvents, v2members?: MemberNodes) {
    this.#v2members = v2members;
    this.#server = server;
    this.#events = events;
    this.#auth = new AuthApplier(server);
    const { clock, logger, counters } = server;
    const warningDurationMs = server.options.warningApplyDurationMs;
    this.#meter = new RequestMeter({ clock, logger, counters, warningDurationMs });
  }

  /** Applies a decoded request. `wantReply` is false when nobody waits for the response. */
  apply(applied: AppliedRequest, index: Index, wantReply: boolean): Outcome {
    this.startedMs = this.#meter.nowMs();
    this.#index = index;
    const outcome = this.#outcome(applied, wantReply);
    this.#meter.applied(applied, this.startedMs, outcome);
    return outcome;
  }

  /**
   * The same for a request whose cost is not its size, in slices; undefined if it is none. Until the
   * end nobody sees anything of it, and nothing else may be applied (see `Store.writeInSteps`).
   */
  applyInSteps(
    applied: AppliedRequest,
    index: Index,
    wantReply: boolean,
    slice: Slice,
  ): Steps<Outcome> | undefined {
    if (applied.plainTxn !== undefined) return undefined;
    this.#index = index;
    const steps = this.#wideSteps(applied.field, applied.request, wantReply, slice);
    return steps === undefined ? undefined : this.#outcomeInSteps(applied, steps);
  }

  *#outcomeInSteps(applied: AppliedRequest, steps: Steps<Reply>): Steps<Outcome> {
    this.startedMs = this.#meter.nowMs();
    let outcome: Outcome;
    try {
      this.#authorize(applied);
      const reply = yield* steps;
      outcome = reply.length === 0 ? DONE : { error: undefined, reply };
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      outcome = { error, reply: undefined };
    }
    this.#meter.applied(applied, this.startedMs, outcome);
    return outcome;
  }

  /** Again at this place of the log: what a user may do can have changed since the door. */
  #authorize(applied: AppliedRequest): void {
    const { store, permissions } = this.#server.auth;
    if (!store.enabled) return;
    logRequestOf(applied.field).authorize(permissions, applied.identity, applied.request);
  }

  #wideSteps(
    field: number,
    request: unknown,
    wantReply: boolean,
    slice: Slice,
  ): Steps<Reply> | undefined {
    switch (field) {
      case RaftField.txn: {
        const txn = request as TxnRequest;
        return isWideTxn(txn) ? this.#txnInSteps(txn, wantReply, slice) : undefined;
      }
      case RaftField.deleteRange: {
        const deletion = request as DeleteRangeRequest;
        if (!isWideDeletion(deletion)) return undefined;
        return this.#deleteRangeInSteps(deletion, wantReply, slice);
      }
      case RaftField.leaseRevoke: {
        const { ID } = request as LeaseRevokeRequest;
        const keys = this.#server.lessor.lookup(ID)?.keyCount ?? 0;
        return keys > MAX_KEYS_OF_SMALL_LEASE ? this.#leaseRevokeInSteps(ID, slice) : undefined;
      }
      default:
        return undefined;
    }
  }

  *#txnInSteps(request: TxnRequest, wantReply: boolean, slice: Slice): Steps<Reply> {
    const fits = this.#checkTxnSpace(txnCost(request));
    const result = yield* txnInSteps(this.#server.store, request, slice);
    return this.#txnReply(result, fits, wantReply);
  }

  *#deleteRangeInSteps(
    request: DeleteRangeRequest,
    wantReply: boolean,
    slice: Slice,
  ): Steps<Reply> {
    this.#refuseWhenCorrupt();
    const result = yield* deleteRangeInSteps(this.#server.store, request, slice);
    return this.#deleteRangeReply(result, wantReply);
  }

  *#leaseRevokeInSteps(id: LeaseID, slice: Slice): Steps<Reply> {
    this.#refuseWhenCorrupt();
    const { lessor, store } = this.#server;
    yield* lessor.revokeInSteps(id, slice, (keys) => deleteKeysInSteps(store, keys, slice));
    return [this.#headerOnly(store.currentRevision)];
  }

  #outcome(applied: AppliedRequest, wantReply: boolean): Outcome {
    try {
      this.#authorize(applied);
      const { plainTxn } = applied;
      const reply =
        plainTxn === undefined
          ? this.#handlerOf(applied.field)(applied.request, wantReply)
          : this.#plainTxn(plainTxn, wantReply);
      return reply.length === 0 ? DONE : { error: undefined, reply };
    } catch (error) {
      if (error instanceof EtcdError) return { error, reply: undefined };
      throw error;
    }
  }

  #handlerOf(field: number): Handler<unknown> {
    const handler = this.#byField.get(field);
    // Leaving out a change that other members make would let them diverge unnoticed.
    if (handler === undefined) {
      throw new Error(`the log holds a request that this version cannot apply (field ${field})`);
    }
    return handler;
  }

  #put(request: PutRequest, wantReply: boolean): Reply {
    this.#refuseWhenCorrupt();
    this.#refuseWhenFull();
    const fits = this.#server.quota.available(putCost(request));
    const result = executePut(this.#server.store, request);
    const { operations } = this.#server.counters;
    operations.put++;
    operations.putBytes += request.key.length + request.value.length;
    if (!fits) throw new EtcdError("noSpace");
    if (!wantReply) return NO_REPLY;
    const { revision, previous } = result;
    if (previous === undefined) return [this.#headerOnly(revision)];
    return [encodePutResponse(this.#header(revision), previous)];
  }

  #txn(request: TxnRequest, wantReply: boolean): Reply {
    const fits = this.#checkTxnSpace(txnCost(request));
    return this.#txnReply(executeTxn(this.#server.store, request), fits, wantReply);
  }

  #plainTxn(txn: PlainTxn, wantReply: boolean): Reply {
    const fits = this.#checkTxnSpace(plainTxnCost(txn));
    return this.#txnReply(executePlainTxn(this.#server.store, txn), fits, wantReply);
  }

  /** False if the quota is passed with this one. */
  #checkTxnSpace(cost: number): boolean {
    this.#refuseWhenCorrupt();
    if (cost > 0) this.#refuseWhenFull();
    return this.#server.quota.available(cost);
  }

  #txnReply(result: TxnResult, fits: boolean, wantReply: boolean): Reply {
    this.#server.counters.operations.txn++;
    if (!fits) throw new EtcdError("noSpace");
    return wantReply ? [encodeTxnResponse(this.#header(result.revision), result)] : NO_REPLY;
  }

  #range(request: RangeRequest, wantReply: boolean): Reply {
    this.#refuseWhenCorrupt();
    if (!wantReply) return NO_REPLY;
    const result = executeRange(this.#server.store, request);
    return [encodeRangeResponse(this.#header(result.revision), result)];
  }

  #deleteRange(request: DeleteRangeRequest, wantReply: boolean): Reply {
    this.#refuseWhenCorrupt();
    return this.#deleteRangeReply(executeDeleteRange(this.#server.store, request), wantReply);
  }

  #deleteRangeReply(result: DeleteRangeResult, wantReply: boolean): Reply {
    this.#server.counters.operations.delete++;
    if (!wantReply) return NO_REPLY;
    return [encodeDeleteRangeResponse(this.#header(result.revision), result)];
  }

  #compact(request: CompactionRequest): Reply {
    this.#refuseWhenCorrupt();
    const revision = executeCompaction(this.#server.store, request);
    this.#server.logger.info("compact tree index", { revision: request.revision });
    this.#events.compactionScheduled();
    return [this.#headerOnly(revision)];
  }

  #leaseGrant(request: LeaseGrantRequest): Reply {
    this.#refuseWhenCorrupt();
    this.#refuseWhenFull();
    const { lessor, quota, clock, store } = this.#server;
    const fits = quota.available(LEASE_COST_BYTES);
    const lease = lessor.grant(request.ID, request.TTL, clock.nowMs());
    if (!fits) throw new EtcdError("noSpace");
    const header = this.#server.header.message(store.currentRevision, this.#server.term);
    const response = LeaseGrantResponse.create({ header, ID: lease.id, TTL: lease.ttl });
    return [LeaseGrantResponse.encode(response)];
  }

  #leaseRevoke(request: LeaseRevokeRequest): Reply {
    this.#refuseWhenCorrupt();
    this.#server.lessor.revoke(request.ID);
    return [this.#headerOnly(this.#server.store.currentRevision)];
  }

  #leaseCheckpoint(request: LeaseCheckpointRequest): Reply {
    for (const { ID, remainingTTL } of request.checkpoints) {
      this.#server.lessor.checkpoint(ID, remainingTTL, this.#server.clock.nowMs());
    }
    return [this.#headerOnly(this.#server.store.currentRevision)];
  }

  #alarm(request: AlarmRequest): Reply {
    const { alarms, store, term, logger } = this.#server;
    const { action, alarm } = request;
    let members: AlarmMember[] = [];
    if (action === AlarmRequest_AlarmAction.GET) members = alarms.list(alarm);
    else if (action === AlarmRequest_AlarmAction.ACTIVATE && alarm !== AlarmType.NONE) {
      const wasRaised = alarms.list(alarm).some(({ memberID: id }) => id === request.memberID);
      members = [alarms.activate(request.memberID, alarm)];
      if (!wasRaised) {
        const fields = { alarm: alarmName(alarm), from: formatID(request.memberID) };
        logger.warn("alarm raised", fields);
      }
    } else if (action === AlarmRequest_AlarmAction.DEACTIVATE) {
      const cleared = alarms.deactivate(request.memberID, alarm);
      if (cleared !== undefined) members = [cleared];
    }
    const header = this.#server.header.message(store.currentRevision, term);
    return [AlarmResponse.encode(AlarmResponse.create({ header, alarms: members }))];
  }

  #setClusterVersion(request: ClusterVersionSetRequest): Reply {
    const { cluster, logger, clusterID, memberID } = this.#server;
    const version = parseVersion(request.ver);
    if (version === undefined) throw new Error(`malformed cluster version "${request.ver}"`);
    if (isBefore(clusterVersionOf(SERVER_VERSION), request.ver)) {
      throw new Error("invalid downgrade; server version is lower than determined cluster version");
    }
    const previous = cluster.version;
    cluster.setVersion(request.ver, true);
    this.#v2members?.setVersion(request.ver);
    if (previous === request.ver) return NO_REPLY;
    if (previous !== undefined && isBefore(request.ver, previous)) {
      // What the monitor of versions asks for now.
      logger.info("Cluster version downgrade detected, forcing snapshot", {
        "prev-cluster-version": previous,
        "new-cluster-version": request.ver,
      });
    }
    const { clusterVersion } = this.#server.counters;
    if (previous !== undefined) clusterVersion.of(shortVersion(previous)).set(0);
    clusterVersion.of(shortVersion(version)).set(1);
    const local = {
      "cluster-id": formatID(clusterID),
      "local-member-id": formatID(memberID),
    };
    const current = { "cluster-version": shortVersion(version) };
    if (previous === undefined) {
      logger.info("set initial cluster version", { ...local, ...current });
    } else {
      const change = { from: shortVersion(previous), to: shortVersion(version) };
      logger.info("updated cluster version", { ...local, ...change });
    }
    logger.info("enabled capabilities for version", current);
    this.#events.clusterVersionChanged();
    return NO_REPLY;
  }

  #setMemberAttributes(request: ClusterMemberAttrSetRequest): Reply {
    const attributes = request.memberAttributes ?? { name: "", clientUrls: [] };
    const { cluster } = this.#server;
    cluster.updateAttributes(request.memberID, attributes.name, attributes.clientUrls, true);
    this.#v2members?.publish(request.memberID, attributes.name, attributes.clientUrls);
    return NO_REPLY;
  }

  #setDowngrade(request: DowngradeInfoSetRequest): Reply {
    const targetVersion = request.enabled ? request.ver : "";
    this.#server.cluster.setDowngrade({ enabled: request.enabled, targetVersion }, true);
    return NO_REPLY;
  }

  #refuseWhenCorrupt(): void {
    if (this.#server.alarms.has(AlarmType.CORRUPT)) throw new EtcdError("corrupt");
  }

  #refuseWhenFull(): void {
    if (this.#server.alarms.has(AlarmType.NOSPACE)) throw new EtcdError("noSpace");
  }

  /** For a response that is encoded at once. */
  #header(revision: number): Uint8Array {
    return this.#server.header.borrow(revision, this.#server.term);
  }

  #headerOnly(revision: number): Uint8Array {
    return this.#server.header.encodeResponse(revision, this.#server.term);
  }
}
