/**
 * A client for end-to-end tests: every RPC by its path, short forms of the common ones, and
 * streams whose messages can be awaited. Speaks to any etcd, so that tests can be tried on
 * another implementation.
 */
import type { MessageType } from "../../api/message-type.ts";
import { RPC_DEFINITIONS, type RpcPath } from "../../api/gen/services.ts";
import type { KeyValue } from "../../api/gen/kv.ts";
import type {
  CompactionResponse,
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchResponse,
} from "../../api/gen/rpc.ts";
import {
  Compare as CompareCodec,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeRequest as DeleteRangeCodec,
  PutRequest as PutCodec,
  RangeRequest as RangeCodec,
  TxnRequest as TxnCodec,
  WatchCancelRequest,
  WatchCreateRequest as WatchCreateCodec,
  WatchProgressRequest,
} from "../../api/gen/rpc.ts";
import { bytesFromUtf8, utf8FromBytes } from "../../base/bytes.ts";
import {
  type CallOptions,
  type ClientConnection,
  type ClientStream,
  connect,
} from "../../transport/client/connection.ts";
import { RpcError } from "../../transport/client/rpc-error.ts";
import { Inbox, within } from "./wait.ts";

type RequestOf<P extends RpcPath> =
  (typeof RPC_DEFINITIONS)[P]["request"] extends MessageType<infer T> ? T : never;
type ResponseOf<P extends RpcPath> =
  (typeof RPC_DEFINITIONS)[P]["response"] extends MessageType<infer T> ? T : never;

/** Keys and values may be given as text. */
export type Bytes = string | Uint8Array;

export function bytes(text: Bytes): Uint8Array {
  return typeof text === "string" ? bytesFromUtf8(text) : text;
}

export function text(value: Uint8Array | undefined): string {
  return value === undefined ? "" : utf8FromBytes(value);
}

/** Range end that makes a key a prefix. */
export function prefixEnd(prefix: string): Uint8Array {
  const end = Buffer.from(prefix, "utf8");
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  return end;
}

/** `range_end` for "this key and all above". */
export const FROM_KEY: Uint8Array = Uint8Array.of(0);

const OPERATORS = {
  "=": Compare_CompareResult.EQUAL,
  "!=": Compare_CompareResult.NOT_EQUAL,
  ">": Compare_CompareResult.GREATER,
  "<": Compare_CompareResult.LESS,
} as const;
export type Operator = keyof typeof OPERATORS;

type Target = NonNullable<Compare["targetUnion"]>;
const TARGETS: Readonly<Record<Target["case"], number>> = {
  version: Compare_CompareTarget.VERSION,
  createRevision: Compare_CompareTarget.CREATE,
  modRevision: Compare_CompareTarget.MOD,
  value: Compare_CompareTarget.VALUE,
  lease: Compare_CompareTarget.LEASE,
};

/** `rangeEnd` makes it a condition on every key of a range. */
export function compare(
  key: Bytes,
  targetUnion: Target,
  operator: Operator,
  rangeEnd?: Uint8Array,
): Compare {
  const target = TARGETS[targetUnion.case];
  const result = OPERATORS[operator];
  const end = rangeEnd === undefined ? {} : { rangeEnd };
  return CompareCodec.create({ key: bytes(key), target, result, targetUnion, ...end });
}

export function putOp(key: Bytes, value: Bytes = "", more: Partial<PutRequest> = {}): RequestOp {
  const fields = PutCodec.create({ key: bytes(key), value: bytes(value), ...more });
  return { request: { case: "requestPut", value: fields } };
}

export function rangeOp(key: Bytes, more: Partial<RangeRequest> = {}): RequestOp {
  const fields = RangeCodec.create({ key: bytes(key), ...more });
  return { request: { case: "requestRange", value: fields } };
}

export function deleteOp(key: Bytes, more: Partial<DeleteRangeRequest> = {}): RequestOp {
  const fields = DeleteRangeCodec.create({ key: bytes(key), ...more });
  return { request: { case: "requestDeleteRange", value: fields } };
}

export function txnOp(request: Partial<TxnRequest>): RequestOp {
  return { request: { case: "requestTxn", value: TxnCodec.create(request) } };
}

/** "key=value" of each, for readable comparisons. */
export function pairs(kvs: readonly KeyValue[]): string[] {
  return kvs.map((kv) => `${text(kv.key)}=${text(kv.value)}`);
}

export function keys(kvs: readonly KeyValue[]): string[] {
  return kvs.map((kv) => text(kv.key));
}

export class RpcClient {
  readonly connection: ClientConnection;

  constructor(connection: ClientConnection) {
    this.connection = connection;
  }

  static async connect(port: number): Promise<RpcClient> {
    return new RpcClient(await connect("127.0.0.1", port));
  }

  close(): void {
    this.connection.close();
  }

  /** A unary call. Rejects with `RpcError`. */
  async call<P extends RpcPath>(
    path: P,
    request: Partial<RequestOf<P>>,
    options?: CallOptions,
  ): Promise<ResponseOf<P>> {
    const row = RPC_DEFINITIONS[path];
    const codec = row.request as unknown as MessageType<RequestOf<P>>;
    const body = codec.encode(codec.create(request));
    const reply = await within(this.connection.unary(path, body, options), path);
    return (row.response as unknown as MessageType<ResponseOf<P>>).decode(reply);
  }

  put(key: Bytes, value: Bytes = "", more: Partial<PutRequest> = {}): Promise<PutResponse> {
    const fields = { key: bytes(key), value: bytes(value), ...more };
    return this.call("/etcdserverpb.KV/Put", fields);
  }

  range(key: Bytes, more: Partial<RangeRequest> = {}): Promise<RangeResponse> {
    return this.call("/etcdserverpb.KV/Range", { key: bytes(key), ...more });
  }

  deleteRange(key: Bytes, more: Partial<DeleteRangeRequest> = {}): Promise<DeleteRangeResponse> {
    return this.call("/etcdserverpb.KV/DeleteRange", { key: bytes(key), ...more });
  }

  txn(request: Partial<TxnRequest>): Promise<TxnResponse> {
    return this.call("/etcdserverpb.KV/Txn", request);
  }

  compact(revision: number, physical = false): Promise<CompactionResponse> {
    return this.call("/etcdserverpb.KV/Compact", { revision, physical });
  }

  grant(TTL: number, ID = 0n): Promise<LeaseGrantResponse> {
    return this.call("/etcdserverpb.Lease/LeaseGrant", { TTL, ID });
  }

  /** The store's current revision. */
  async revision(): Promise<number> {
    const { header } = await this.range("no-such-key");
    return header?.revision ?? 0;
  }

  /** A call with a stream in at least one direction. */
  open<P extends RpcPath>(path: P, options?: CallOptions): RpcStream<RequestOf<P>, ResponseOf<P>> {
    const row = RPC_DEFINITIONS[path];
    return new RpcStream(
      this.connection,
      path,
      row.request as unknown as MessageType<RequestOf<P>>,
      row.response as unknown as MessageType<ResponseOf<P>>,
      options,
    );
  }

  /** A call with one request and many answers. */
  openWith<P extends RpcPath>(
    path: P,
    request: Partial<RequestOf<P>>,
  ): RpcStream<RequestOf<P>, ResponseOf<P>> {
    const stream = this.open(path);
    stream.send(request);
    stream.raw.halfClose();
    return stream;
  }

  watch(options?: CallOptions): WatchClient {
    return new WatchClient(this, options);
  }
}

class RpcStream<Request, Response> {
  readonly inbox: Inbox<Response>;
  /** Settles when the call has ended; undefined for status OK. */
  readonly ended: Promise<RpcError | undefined>;
  readonly raw: ClientStream;
  readonly #request: MessageType<Request>;

  constructor(
    connection: ClientConnection,
    path: string,
    request: MessageType<Request>,
    response: MessageType<Response>,
    options?: CallOptions,
  ) {
    this.#request = request;
    this.inbox = new Inbox(path);
    let end: (error: RpcError | undefined) => void = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    const handler = {
      onMessage: (body: Uint8Array) => this.inbox.push(response.decode(Uint8Array.from(body))),
      onEnd: (error: RpcError | undefined) => {
        this.inbox.end(error ?? new RpcError(0, `${path} has ended`));
        end(error);
      },
    };
    this.raw = connection.stream(path, handler, options);
  }

  send(request: Partial<Request>): void {
    this.raw.send(this.#request.encode(this.#request.create(request)));
  }

  next(timeoutMs?: number): Promise<Response> {
    return this.inbox.next(timeoutMs);
  }

  /** The error that the call ends with. */
  failure(): Promise<RpcError | undefined> {
    return within(this.ended, "the end of a stream");
  }
}

/** One watch stream. */
export class WatchClient {
  readonly stream: RpcStream<RequestOf<"/etcdserverpb.Watch/Watch">, WatchResponse>;

  constructor(client: RpcClient, options?: CallOptions) {
    this.stream = client.open("/etcdserverpb.Watch/Watch", options);
  }

  /** Sends a create request; the answer is the next message. */
  request(key: Bytes, more: Partial<WatchCreateRequest> = {}): void {
    const value = WatchCreateCodec.create({ key: bytes(key), ...more });
    this.stream.send({ requestUnion: { case: "createRequest", value } });
  }

  /** For streams on which nothing else is under way. */
  async create(key: Bytes, more: Partial<WatchCreateRequest> = {}): Promise<WatchResponse> {
    this.request(key, more);
    return await this.next();
  }

  cancel(watchId: number): void {
    const value = WatchCancelRequest.create({ watchId });
    this.stream.send({ requestUnion: { case: "cancelRequest", value } });
  }

  requestProgress(): void {
    const value = WatchProgressRequest.create();
    this.stream.send({ requestUnion: { case: "progressRequest", value } });
  }

  next(timeoutMs?: number): Promise<WatchResponse> {
    return this.stream.next(timeoutMs);
  }

  /** The next `count` events, however many responses they come in. */
  async events(count: number): Promise<string[]> {
    const events: string[] = [];
    while (events.length < count) events.push(...eventTexts(await this.next()));
    return events;
  }

  close(): void {
    this.stream.raw.cancel();
  }
}

/**
 * A lease of two seconds to which `attach` gives keys, in one call. Where a slow machine lets it end
 * before that, the next one is tried.
 */
export async function withShortLease<T>(
  client: RpcClient,
  attach: (lease: bigint) => Promise<T>,
): Promise<{ readonly lease: bigint; readonly grantedAtMs: number; readonly reply: T }> {
  for (;;) {
    const grantedAtMs = client.connection.nowMs();
    const { ID: lease } = await client.grant(2);
    try {
      return { lease, grantedAtMs, reply: await attach(lease) };
    } catch (error) {
      const isOver = error instanceof RpcError && error.message.endsWith("lease not found");
      if (!isOver) throw error;
    }
  }
}

/** "PUT key=value@5", "DELETE key@6". */
export function eventTexts(response: WatchResponse): string[] {
  return response.events.map((event) => {
    const { key, value, modRevision } = event.kv ?? { key: undefined, value: undefined };
    if (event.type === 1) return `DELETE ${text(key)}@${modRevision}`;
    return `PUT ${text(key)}=${text(value)}@${modRevision}`;
  });
}
