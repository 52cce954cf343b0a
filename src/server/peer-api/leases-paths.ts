/** `/leases` and `/leases/internal`: what followers ask the leader about leases. */
import { EtcdError } from "../../api/errors.ts";
import { LeaseInternalRequest } from "../../api/gen/lease.ts";
import {
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseTimeToLiveResponse,
  ResponseHeader,
} from "../../api/gen/rpc.ts";
import { sizeVarint, writeVarint } from "../../base/varint.ts";
import { DecodeError } from "../../base/wire.ts";
import {
  type Clock,
  HttpBodyTooLarge,
  type HttpRequest,
  type HttpResponse,
} from "../../env/index.ts";
import { LeaseRenewals, type LeaseRenewalsNeeds } from "../upkeep/lease-renewals.ts";
import { readSmallBody, send, sendError } from "./http-reply.ts";

/** As etcd's. */
const MAX_LEASE_BODY_BYTES = 64 * 1024;

type Answer = (body: Uint8Array) => Promise<Uint8Array>;

export class LeasesPaths {
  readonly #clock: Clock;
  readonly #renewals: LeaseRenewals;

  constructor(server: LeaseRenewalsNeeds) {
    this.#clock = server.clock;
    this.#renewals = new LeaseRenewals(server);
  }

  keepAlive(request: HttpRequest, response: HttpResponse): void {
    this.#serve(request, response, 400, async (body) => {
      const { ID } = LeaseKeepAliveRequest.decode(body);
      const TTL = await this.#renewals.renewHere(ID);
      if (TTL === undefined) throw new EtcdError("notPrimaryLessor");
      if (TTL === 0) throw new EtcdError("leaseNotFound");
      return LeaseKeepAliveResponse.encode(LeaseKeepAliveResponse.create({ ID, TTL }));
    });
  }

  timeToLive(request: HttpRequest, response: HttpResponse): void {
    this.#serve(request, response, 500, async (body) => {
      const { LeaseTimeToLiveRequest: question } = LeaseInternalRequest.decode(body);
      if (question === undefined) throw new DecodeError("no question", 0);
      const found = await this.#timeToLive(question);
      if (found === undefined) throw new EtcdError("leaseNotFound");
      const header = ResponseHeader.create();
      const head = LeaseTimeToLiveResponse.encode({ ...found.response, header });
      return encodeInternalResponse([head, ...found.encodedKeys]);
    });
  }

  async #timeToLive(question: Parameters<LeaseRenewals["timeToLiveHere"]>[0]) {
    try {
      return await this.#renewals.timeToLiveHere(question);
    } catch (error) {
      if (!(error instanceof EtcdError) || error.kind !== "leaderChanged") throw error;
      throw new EtcdError("notPrimaryLessor");
    }
  }

  /** `otherStatus` is for errors without a status of their own. */
  #serve(request: HttpRequest, response: HttpResponse, otherStatus: number, answer: Answer): void {
    if (request.method !== "POST") {
      sendError(request, response, 405, "Method Not Allowed");
      return;
    }
    readSmallBody(this.#clock, request, response, MAX_LEASE_BODY_BYTES)
      .then(answer)
      .then(
        (body) => {
          const headers = { "content-type": "application/protobuf" };
          send(request, response, 200, body, headers);
        },
        (error: unknown) => {
          const { status, text } = refusalOf(error, otherStatus);
          sendError(request, response, status, text);
        },
      );
  }
}

/** Tag of the answer in LeaseInternalResponse. */
const ANSWER_TAG = 0x0a;

/** `parts` make one LeaseTimeToLiveResponse. */
function encodeInternalResponse(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const prefix = new Uint8Array(1 + sizeVarint(length));
  prefix[0] = ANSWER_TAG;
  writeVarint(prefix, 1, length);
  return Buffer.concat([prefix, ...parts]);
}

function refusalOf(error: unknown, otherStatus: number): { status: number; text: string } {
  if (error instanceof HttpBodyTooLarge) return { status: 413, text: "request body too large" };
  if (error instanceof DecodeError) return { status: 400, text: "error unmarshalling request" };
  if (!(error instanceof EtcdError)) return { status: 400, text: "error reading body" };
  switch (error.kind) {
    case "leaseNotFound":
      return { status: 404, text: "lease not found" };
    case "timeoutWaitAppliedIndex":
      return {
        status: 408,
        text: "waiting for node to catch up its applied index has timed out",
      };
    default:
      return { status: otherStatus, text: error.message };
  }
}
