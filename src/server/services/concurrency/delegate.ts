/**
 * Carries operations out for one call of the Lock and Election services: with the caller's identity,
 * through the services that clients use.
 *
 * Waiting ends when the call ends (`ended`). Operations do not: a key that was put must be known of,
 * so that it can be taken away again.
 */
import { EtcdError } from "../../../api/errors.ts";
import {
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseRevokeRequest,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchRequest,
  type WatchResponse,
} from "../../../api/gen/rpc.ts";
import type { MessageType } from "../../../api/message-type.ts";
import { METHOD } from "../../../api/rpc-table.ts";
import type { LeaseID } from "../../../base/ids.ts";
import type { Call, StreamCall, UnaryCall } from "../../../env/index.ts";
import { InnerUnary, InnerWatch } from "../../../env/inner-call.ts";

/** The member's services. */
export interface InnerServices {
  unary(call: UnaryCall): void;
  watch(call: StreamCall): void;
}

/** The time of a session that the member opens for a caller without a lease; etcd's, in seconds. */
const SESSION_TTL = 60;

/** Why a call's waiting is over although it has no answer. */
export type Ending = { readonly kind: "cancelled" } | { readonly kind: "stopped" };

export class Delegate {
  readonly #services: InnerServices;
  readonly #caller: Call;
  /** Ends each wait that is under way. */
  readonly #waits = new Set<(error: Error) => void>();
  #ending: Ending | undefined;

  constructor(services: InnerServices, caller: Call) {
    this.#services = services;
    this.#caller = caller;
  }

  /** Set once nobody waits for the answer any more. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    for (const stop of this.#waits) stop(endingError(ending));
  }

  async range(request: Partial<RangeRequest>): Promise<RangeResponse> {
    const body = RangeRequest.encode(RangeRequest.create(request));
    return this.#unary(METHOD.Range, body, RangeResponse);
  }

  async txn(request: Partial<TxnRequest>): Promise<TxnResponse> {
    return this.#unary(METHOD.Txn, TxnRequest.encode(TxnRequest.create(request)), TxnResponse);
  }

  async delete(key: Uint8Array): Promise<DeleteRangeResponse> {
    const body = DeleteRangeRequest.encode(DeleteRangeRequest.create({ key }));
    return this.#unary(METHOD.DeleteRange, body, DeleteRangeResponse);
  }

  /** A new session's lease. */
  async grant(): Promise<LeaseID> {
    const body = LeaseGrantRequest.encode(LeaseGrantRequest.create({ TTL: SESSION_TTL }));
    return (await this.#unary(METHOD.LeaseGrant, body, LeaseGrantResponse)).ID;
  }

  async revoke(ID: LeaseID): Promise<void> {
    const body = LeaseRevokeRequest.encode(LeaseRevokeRequest.create({ ID }));
    await this.#send(METHOD.LeaseRevoke, body);
  }

  /**
   * Watches until `take` returns something else than undefined, and resolves with that. Rejects when
   * the call ends, and with the member's reason when the watch does.
   */
  watch<T>(
    request: Partial<WatchCreateRequest>,
    take: (response: WatchResponse) => T | undefined,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waits.delete(fail);
        watch.close();
      };
      const fail = (error: Error): void => {
        leave();
        reject(error);
      };
      const watch = new InnerWatch(this.#caller, {
        onEnd: fail,
        onResponse: (response) => {
          const found = take(response);
          if (found !== undefined) {
            leave();
            resolve(found);
          } else if (response.canceled) fail(cancelError(response));
        },
      });
      if (this.#ending !== undefined) {
        reject(endingError(this.#ending));
        return;
      }
      this.#waits.add(fail);
      this.#services.watch(watch);
      const value = WatchCreateRequest.create(request);
      watch.onMessage?.(
        WatchRequest.encode(
          WatchRequest.create({ requestUnion: { case: "createRequest", value } }),
        ),
      );
    });
  }

  async #unary<T>(method: number, body: Uint8Array, codec: MessageType<T>): Promise<T> {
    return codec.decode(await this.#send(method, body));
  }

  #send(method: number, body: Uint8Array): Promise<Uint8Array> {
    const call = new InnerUnary(this.#caller, method, body);
    this.#services.unary(call);
    return call.answer;
  }
}

function endingError({ kind }: Ending): Error {
  return kind === "stopped" ? new EtcdError("stopped") : new Error("context canceled");
}

function cancelError({ compactRevision, cancelReason }: WatchResponse): Error {
  if (compactRevision > 0) return new EtcdError("compacted");
  // The reason is the text of a gRPC error.
  return new Error(/^rpc error: code = \w+ desc = (.*)$/s.exec(cancelReason)?.[1] ?? cancelReason);
}
