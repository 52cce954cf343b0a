/** Calls to the member's own services, without a transport and without a user's token. */
import { EtcdError, StatusError } from "../../api/errors.ts";
import {
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "../../api/gen/rpc.ts";
import type { MessageType } from "../../api/message-type.ts";
import { METHOD } from "../../api/rpc-table.ts";
import type { Call, ReplySource, RpcService, StreamCall, UnaryCall } from "../../env/rpc.ts";
import { V2_CODE, V2Error } from "../../v2store/index.ts";

export interface WatchHandler {
  onResponse(response: WatchResponse): void;
  /** The member ends it. */
  onEnd(): void;
}

export class V3Calls {
  readonly #service: RpcService;

  constructor(service: RpcService) {
    this.#service = service;
  }

  /** Rejects with `V2Error`, as `range` does. */
  async txn(request: Partial<TxnRequest>): Promise<TxnResponse> {
    return this.#unary(METHOD.Txn, TxnRequest.encode(TxnRequest.create(request)), TxnResponse);
  }

  async range(request: Partial<RangeRequest>): Promise<RangeResponse> {
    const body = RangeRequest.encode(RangeRequest.create(request));
    return this.#unary(METHOD.Range, body, RangeResponse);
  }

  /** Whether the events from a revision on are gone. */
  async isCompacted(revision: number): Promise<boolean> {
    const key = new Uint8Array(1);
    const request = RangeRequest.create({ key, revision, serializable: true });
    try {
      await this.#send(METHOD.Range, RangeRequest.encode(request));
      return false;
    } catch (error) {
      return error instanceof StatusError && error.message === COMPACTED;
    }
  }

  /** Returns what ends it. */
  watch(request: Partial<WatchCreateRequest>, handler: WatchHandler): () => void {
    const watch = new OwnWatch(handler);
    this.#service.stream(watch);
    const value = WatchCreateRequest.create(request);
    const create = WatchRequest.create({ requestUnion: { case: "createRequest", value } });
    watch.onMessage?.(WatchRequest.encode(create));
    return () => watch.close();
  }

  async #unary<T>(method: number, body: Uint8Array, codec: MessageType<T>): Promise<T> {
    try {
      return codec.decode(await this.#send(method, body));
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      throw new V2Error(V2_CODE.raftInternal, error.message);
    }
  }

  #send(method: number, body: Uint8Array): Promise<Uint8Array> {
    const call = new OwnUnary(method, body);
    this.#service.unary([call]);
    return call.answer;
  }
}

const COMPACTED = new EtcdError("compacted").message;

abstract class OwnCall implements Call {
  readonly method: number;
  readonly deadlineMs = Number.POSITIVE_INFINITY;
  readonly remote = "";
  readonly viaGateway = false;
  readonly certificateName = undefined;
  onCancel: (() => void) | undefined;

  constructor(method: number) {
    this.method = method;
  }

  abstract readonly cancelled: boolean;

  metadata(): undefined {
    return undefined;
  }
}

class OwnUnary extends OwnCall implements UnaryCall {
  readonly body: Uint8Array;
  readonly cancelled = false;
  readonly answer: Promise<Uint8Array>;
  #resolve: (answer: Uint8Array) => void = () => undefined;
  #reject: (error: StatusError) => void = () => undefined;

  constructor(method: number, body: Uint8Array) {
    super(method);
    this.body = body;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  reply(message: Uint8Array): void {
    this.#resolve(message);
  }

  replyParts(parts: readonly Uint8Array[]): void {
    this.#resolve(Buffer.concat(parts));
  }

  replyFrom(source: ReplySource): void {
    const parts: Uint8Array[] = [];
    try {
      for (let part = source.next(); part !== undefined; part = source.next()) parts.push(part);
      this.replyParts(parts);
    } finally {
      source.close();
    }
  }

  fail(code: number, message: string): void {
    this.#reject(new StatusError(code, message));
  }
}

/** Who waits takes every event at once. */
class OwnWatch extends OwnCall implements StreamCall {
  cancelled = false;
  readonly bufferedBytes = 0;
  onDrain: (() => void) | undefined;
  onMessage: ((message: Uint8Array) => void) | undefined;
  onHalfClose: (() => void) | undefined;
  readonly #handler: WatchHandler;

  constructor(handler: WatchHandler) {
    super(METHOD.Watch);
    this.#handler = handler;
  }

  send(...parts: readonly Uint8Array[]): void {
    if (!this.cancelled) this.#handler.onResponse(WatchResponse.decode(Buffer.concat(parts)));
  }

  finish(): void {
    if (!this.cancelled) this.#handler.onEnd();
  }

  pauseReceiving(): void {}

  resumeReceiving(): void {}

  close(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.onCancel?.();
  }
}
