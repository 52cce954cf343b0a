/** Calls to the member's own services, without a transport and without a user's token. */
import { EtcdError, StatusError } from "../../api/errors.ts";
import {
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchRequest,
} from "../../api/gen/rpc.ts";
import type { MessageType } from "../../api/message-type.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { InnerUnary, InnerWatch, type InnerWatchHandler } from "../../env/inner-call.ts";
import type { Call, RpcService } from "../../env/rpc.ts";
import { V2_CODE, V2Error } from "../../v2store/index.ts";

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
  watch(request: Partial<WatchCreateRequest>, handler: InnerWatchHandler): () => void {
    const watch = new InnerWatch(MEMBER, handler);
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
    const call = new InnerUnary(MEMBER, method, body);
    this.#service.unary([call]);
    return call.answer;
  }
}

const COMPACTED = new EtcdError("compacted").message;

/** Whoever has a right to the v2 API: these calls carry no token. */
const MEMBER: Call = {
  method: METHOD.Range,
  deadlineMs: Number.POSITIVE_INFINITY,
  remote: "",
  viaGateway: false,
  certificateName: undefined,
  cancelled: false,
  metadata: () => undefined,
};
