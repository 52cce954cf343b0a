/**
 * The Lease service. Grants and revocations go through raft; renewals do not: the leader alone
 * knows when a lease expires.
 */
import { EtcdError } from "../../api/errors.ts";
import {
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  type ResponseHeader,
} from "../../api/gen/rpc.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { leaseIDFromRequestID } from "../../base/id-generator.ts";
import type { LeaseID } from "../../base/ids.ts";
import type { Slice, Steps } from "../../base/slice.ts";
import type { StreamCall, UnaryCall } from "../../env/index.ts";
import type { Lessor } from "../../lease/index.ts";
import { NO_LEASE } from "../../mvcc/index.ts";
import { METHOD } from "../../api/rpc-table.ts";
import type { Identity } from "../../auth/index.ts";
import type { Answering, Counted, ServerContext } from "../context.ts";
import { LeaseRenewals, type LeaseRenewalsNeeds } from "../upkeep/lease-renewals.ts";
import { LEASE_COST_BYTES } from "../apply/quota.ts";
import { RaftField } from "../log/raft-request.ts";
import type { QuotaGate } from "./quota-gate.ts";
import { decodeOrEnd, failWith, finish, giveUp, statusOf } from "./reply.ts";
import type { StreamRows, UnaryRows } from "./rows.ts";
import type { ServicesCounters } from "./services-metrics.ts";

/** Renewals of one stream that may wait for something; a client that sends more is paused. */
const MAX_WAITING_RENEWALS = 1000;

/** Leases in one part of a list. */
const LEASES_PER_PART = 1000;
const UNDECODABLE_KEEPALIVE = "failed to receive lease keepalive request from gRPC stream";

export type LeaseNeeds = Answering &
  Counted<Pick<ServicesCounters, "streamFailures">> &
  LeaseRenewalsNeeds &
  Pick<ServerContext, "auth" | "ids" | "logger" | "proposals" | "refusal">;

export class LeaseService {
  readonly unary: UnaryRows = {
    [METHOD.LeaseGrant]: (call, who) => this.grant(call, who),
    [METHOD.LeaseRevoke]: (call, who) => this.revoke(call, who),
    [METHOD.LeaseTimeToLive]: (call, who) => this.timeToLive(call, who),
    [METHOD.LeaseLeases]: (call, who) => this.leases(call, who),
  };
  readonly stream: StreamRows = { [METHOD.LeaseKeepAlive]: (call) => this.keepAlive(call) };
  readonly #server: LeaseNeeds;
  readonly #quota: QuotaGate;
  readonly #renewals: LeaseRenewals;
  /** Ends each open keep-alive stream. */
  readonly #streams = new Set<(error: unknown) => void>();

  constructor(server: LeaseNeeds, quota: QuotaGate) {
    this.#server = server;
    this.#quota = quota;
    this.#renewals = new LeaseRenewals(server);
  }

  /** Ends the open streams, as the member stops. */
  stop(): void {
    for (const end of this.#streams) end(new EtcdError("stopped"));
  }

  /** Chooses an id where the client gave none. */
  grant(call: UnaryCall, who: Identity): void {
    const { proposals, ids } = this.#server;
    const request = LeaseGrantRequest.decode(call.body);
    this.#refuseIfNeeded();
    this.#quota.check(LEASE_COST_BYTES);
    if (request.ID === 0n) request.ID = this.#freeLeaseID(ids);
    const built = proposals.build(RaftField.leaseGrant, LeaseGrantRequest.encode(request), who);
    proposals.submit(built, request, (outcome) => finish(call, outcome), call.span);
  }

  revoke(call: UnaryCall, who: Identity): void {
    const { proposals, auth } = this.#server;
    this.#refuseIfNeeded();
    const built = proposals.build(RaftField.leaseRevoke, call.body, who);
    const request = LeaseRevokeRequest.decode(built.data, built.start, built.end);
    if (auth.store.enabled) auth.permissions.checkLeaseWrite(who, request.ID);
    proposals.submit(built, request, (outcome) => finish(call, outcome), call.span);
  }

  /** An unknown lease has TTL -1. Keys are listed in byte order. */
  timeToLive(call: UnaryCall, who: Identity): void {
    const request = LeaseTimeToLiveRequest.decode(call.body);
    const { auth } = this.#server;
    const { enabled, revision } = auth.store;
    if (enabled && request.keys) auth.permissions.checkLeaseRead(who, request.ID);
    this.#renewals.timeToLive(request).then(
      (found) => {
        const { ID } = request;
        // Another member may have answered, with keys that were attached since.
        const isAsBefore = auth.store.enabled === enabled && auth.store.revision === revision;
        if (request.keys && auth.store.enabled && !isAsBefore) {
          failWith(call, new EtcdError("authOldRevision"));
          return;
        }
        const answer = found?.response ?? LeaseTimeToLiveResponse.create({ ID, TTL: -1 });
        const head = LeaseTimeToLiveResponse.encode({ ...answer, header: this.#header() });
        if (found === undefined || found.encodedKeys.length === 0) call.reply(head);
        else call.replyParts([head, ...found.encodedKeys]);
      },
      (error: unknown) => failWith(call, error),
    );
  }

  leases(call: UnaryCall, who: Identity): void {
    const { lessor, turns, auth } = this.#server;
    if (!auth.store.isAdmin(who)) {
      for (const { id } of lessor.leases()) auth.permissions.checkLeaseRead(who, id);
    }
    turns.run((slice) => encodeLeases(this.#header(), lessor, slice), {
      done: (parts) => call.replyParts(parts),
      failed: (error) => failWith(call, error),
      isCancelled: () => call.cancelled,
      cancelled: () => giveUp(call),
    });
  }

  /** Answers in the order of the requests. Ends with a status when a renewal cannot be decided. */
  keepAlive(call: StreamCall): void {
    const answers = new RenewalAnswers();
    let waiting = 0;
    let last = Promise.resolve();
    let ended = false;
    const close = () => {
      ended = true;
      this.#streams.delete(end);
    };
    const end = (error: unknown) => {
      if (ended) return;
      close();
      const status = statusOf(error);
      call.finish(status.code, status.message);
    };
    call.onMessage = (message) => {
      if (ended) return;
      const request = decodeOrEnd(LeaseKeepAliveRequest, message, (code, text) => {
        this.#server.counters.streamFailures.of("receive", "lease-keepalive").add();
        const told = { error: text };
        this.#server.logger.warn(UNDECODABLE_KEEPALIVE, told);
        close();
        call.finish(code, text);
      });
      if (request === undefined) return;
      const { ID } = request;
      if (!this.#mayRenew(call, ID, end)) return;
      // The header is from before the renewal, so that its revision is never ahead of it.
      const header = this.#headerField();
      const quick = waiting === 0 ? this.#renewals.tryRenew(ID) : undefined;
      if (quick !== undefined) {
        call.send(header, answers.of(ID, quick));
        return;
      }
      waiting++;
      if (waiting === MAX_WAITING_RENEWALS) call.pauseReceiving();
      const renewal = this.#renewals.renew(ID);
      renewal.catch(() => undefined);
      last = last
        .then(() => renewal)
        .then((ttl) => {
          if (!ended) call.send(header, answers.of(ID, ttl));
        })
        .catch(end)
        .finally(() => {
          waiting--;
          if (waiting === MAX_WAITING_RENEWALS - 1) call.resumeReceiving();
        });
    };
    call.onHalfClose = () => {
      void last.then(() => {
        if (ended) return;
        close();
        call.finish(0, "");
      });
    };
    call.onCancel = close;
    this.#streams.add(end);
  }

  /** As in etcd, asked at each renewal: permissions, and the keys of the lease, change meanwhile. */
  #mayRenew(call: StreamCall, ID: LeaseID, end: (error: unknown) => void): boolean {
    const { auth } = this.#server;
    if (!auth.store.enabled) return true;
    try {
      const who = auth.identifyNow(call);
      auth.requireUser(who);
      auth.permissions.checkLeaseWrite(who, ID);
      return true;
    } catch (error) {
      end(error);
      return false;
    }
  }

  #freeLeaseID(ids: LeaseNeeds["ids"]): LeaseID {
    for (;;) {
      const id = leaseIDFromRequestID(ids.next());
      if (id !== 0n && !this.#server.lessor.exists(id)) return id;
    }
  }

  #refuseIfNeeded(): void {
    const { refusal } = this.#server;
    if (refusal !== undefined) throw refusal;
  }

  #headerField(): Uint8Array {
    const { header, store, term } = this.#server;
    return header.encodeField(store.currentRevision, term);
  }

  #header(): ResponseHeader {
    const { header, store, term } = this.#server;
    return header.message(store.currentRevision, term);
  }
}

/** The response in parts: what follows in a message is added to what it has. */
function* encodeLeases(
  header: ResponseHeader,
  lessor: Lessor,
  slice: Slice,
): Steps<readonly Uint8Array[]> {
  const parts = [LeaseLeasesResponse.encode(LeaseLeasesResponse.create({ header }))];
  const found = yield* lessor.leasesInSteps(slice);
  for (let at = 0; at < found.length; at += LEASES_PER_PART) {
    if (slice.isUsedUp) yield;
    const leases = found.slice(at, at + LEASES_PER_PART).map(({ id }) => ({ ID: id }));
    slice.left -= leases.length;
    parts.push(LeaseLeasesResponse.encode(LeaseLeasesResponse.create({ leases })));
  }
  return parts;
}

/** Responses to renewals behind their header. A stream often renews one lease again and again. */
class RenewalAnswers {
  #ID: LeaseID = NO_LEASE;
  #TTL = 0;
  #bytes: Uint8Array = EMPTY_BYTES;

  of(ID: LeaseID, TTL: number): Uint8Array {
    if (ID !== this.#ID || TTL !== this.#TTL) {
      this.#bytes = LeaseKeepAliveResponse.encode(LeaseKeepAliveResponse.create({ ID, TTL }));
      this.#ID = ID;
      this.#TTL = TTL;
    }
    return this.#bytes;
  }
}
