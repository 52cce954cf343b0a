/**
 * The Lease service. Grants and revocations go through raft; renewals do not: the leader alone
 * knows when a lease expires.
 */
import { EtcdError } from "../../api/errors.ts";
import {
  LeaseCheckpoint,
  LeaseCheckpointRequest,
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  ResponseHeader,
} from "../../api/gen/rpc.ts";
import { bytesFromLatin1 } from "../../base/bytes.ts";
import { leaseIDFromRequestID } from "../../base/id-generator.ts";
import type { LeaseID } from "../../base/ids.ts";
import type { StreamCall, UnaryCall } from "../../env/index.ts";
import type { ServerContext } from "../context.ts";
import { LEASE_COST_BYTES } from "../quota.ts";
import { RaftField } from "../raft-request.ts";
import type { QuotaGate } from "./quota-gate.ts";
import { decodeOrEnd, finish, statusOf } from "./reply.ts";

/** Renewals of one stream that may wait for something; a client that sends more is paused. */
const MAX_WAITING_RENEWALS = 1000;

export class LeaseService {
  readonly #server: ServerContext;
  readonly #quota: QuotaGate;
  /** Ends each open keep-alive stream. */
  readonly #streams = new Set<(error: unknown) => void>();

  constructor(server: ServerContext, quota: QuotaGate) {
    this.#server = server;
    this.#quota = quota;
  }

  /** Ends the open streams, as the member stops. */
  stop(): void {
    for (const end of this.#streams) end(new EtcdError("stopped"));
  }

  /** Chooses an id where the client gave none. */
  grant(call: UnaryCall): void {
    const { proposals, ids } = this.#server;
    const request = LeaseGrantRequest.decode(call.body);
    this.#refuseIfNeeded();
    this.#quota.check(LEASE_COST_BYTES);
    if (request.ID === 0n) request.ID = this.#freeLeaseID(ids);
    const built = proposals.build(RaftField.leaseGrant, LeaseGrantRequest.encode(request));
    proposals.submit(built, request, (outcome) => finish(call, outcome));
  }

  revoke(call: UnaryCall): void {
    const { proposals } = this.#server;
    this.#refuseIfNeeded();
    const built = proposals.build(RaftField.leaseRevoke, call.body);
    const request = LeaseRevokeRequest.decode(built.data, built.start, built.end);
    proposals.submit(built, request, (outcome) => finish(call, outcome));
  }

  /** An unknown lease has TTL -1. Keys are listed in byte order. */
  timeToLive(call: UnaryCall): void {
    const { lessor, clock } = this.#server;
    const request = LeaseTimeToLiveRequest.decode(call.body);
    const lease = lessor.lookup(request.ID);
    if (lease === undefined) {
      const unknown = { header: this.#header(), ID: request.ID, TTL: -1 };
      call.reply(LeaseTimeToLiveResponse.encode(LeaseTimeToLiveResponse.create(unknown)));
      return;
    }
    const remaining = lessor.remainingSeconds(lease, clock.nowMs());
    const response = LeaseTimeToLiveResponse.create({
      header: this.#header(),
      ID: request.ID,
      TTL: Number.isFinite(remaining) ? remaining : lease.ttl,
      grantedTTL: lease.ttl,
      keys: request.keys ? lease.keys().map(bytesFromLatin1) : [],
    });
    call.reply(LeaseTimeToLiveResponse.encode(response));
  }

  leases(call: UnaryCall): void {
    const leases = this.#server.lessor.leases().map(({ id }) => ({ ID: id }));
    const response = LeaseLeasesResponse.create({ header: this.#header(), leases });
    call.reply(LeaseLeasesResponse.encode(response));
  }

  /** Answers in the order of the requests. Ends with a status when a renewal cannot be decided. */
  keepAlive(call: StreamCall): void {
    const waiting: Promise<void>[] = [];
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
        close();
        call.finish(code, text);
      });
      if (request === undefined) return;
      const { ID } = request;
      // The header is from before the renewal, so that its revision is never ahead of it.
      const header = this.#header();
      const quick = waiting.length === 0 ? this.#tryRenew(ID) : undefined;
      if (quick !== undefined) {
        call.send(renewed(header, ID, quick));
        return;
      }
      if (waiting.length >= MAX_WAITING_RENEWALS) call.pauseReceiving();
      last = last
        .then(() => this.#renew(ID))
        .then((ttl) => {
          if (!ended) call.send(renewed(header, ID, ttl));
        })
        .catch(end)
        .finally(() => {
          waiting.shift();
          if (waiting.length === MAX_WAITING_RENEWALS - 1) call.resumeReceiving();
        });
      waiting.push(last);
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

  /** The granted TTL, 0 for an unknown lease, or undefined when something must be waited for. */
  #tryRenew(id: LeaseID): number | undefined {
    const outcome = this.#server.lessor.renew(id, this.#server.clock.nowMs());
    if (outcome.kind === "renewed") return outcome.ttl;
    return outcome.kind === "notFound" ? 0 : undefined;
  }

  async #renew(id: LeaseID): Promise<number> {
    const { lessor, clock } = this.#server;
    for (;;) {
      const outcome = lessor.renew(id, clock.nowMs());
      switch (outcome.kind) {
        case "renewed":
          return outcome.ttl;
        case "notFound":
          return 0;
        case "notPrimary":
          throw new EtcdError("noLeader");
        case "expired":
          await new Promise<void>((resolve) => lessor.onSettled(id, resolve));
          break;
        case "clearCheckpoint":
          await this.#clearCheckpoint(id);
      }
    }
  }

  async #clearCheckpoint(id: LeaseID): Promise<void> {
    const checkpoint = LeaseCheckpoint.create({ ID: id, remainingTTL: 0 });
    const request = LeaseCheckpointRequest.create({ checkpoints: [checkpoint] });
    const body = LeaseCheckpointRequest.encode(request);
    await this.#server.propose(RaftField.leaseCheckpoint, body);
  }

  #freeLeaseID(ids: ServerContext["ids"]): LeaseID {
    for (;;) {
      const id = leaseIDFromRequestID(ids.next());
      if (id !== 0n && !this.#server.lessor.exists(id)) return id;
    }
  }

  #refuseIfNeeded(): void {
    const { refusal } = this.#server;
    if (refusal !== undefined) throw refusal;
  }

  #header(): ResponseHeader {
    const { clusterID, memberID, store, term } = this.#server;
    return ResponseHeader.create({
      clusterId: clusterID,
      memberId: memberID,
      revision: store.currentRevision,
      raftTerm: term,
    });
  }
}

function renewed(header: ResponseHeader, ID: LeaseID, TTL: number): Uint8Array {
  return LeaseKeepAliveResponse.encode(LeaseKeepAliveResponse.create({ header, ID, TTL }));
}
