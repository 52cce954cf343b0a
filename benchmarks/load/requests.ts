/**
 * Requests as ready-made HTTP/2 frames. Only the stream's number and the digits of a key change
 * from one request to the next, so that sending costs a copy and a few stores.
 */
import {
  AuthenticateRequest,
  Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  LeaseGrantRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "../../src/api/gen/rpc.ts";

/** Keys are this prefix and decimal digits: 18 bytes together. */
const KEY_PREFIX = "bench-";
const KEY_DIGITS = 12;
const PLACEHOLDER = "%".repeat(KEY_DIGITS);

/** What a request asks for; the generator is told by name. */
export type RequestKind =
  | { readonly kind: "put"; readonly valueBytes: number }
  | { readonly kind: "get"; readonly isSerializable: boolean }
  /** `keys` consecutive keys, from a key on. */
  | { readonly kind: "range"; readonly keys: number; readonly isSerializable: boolean }
  /** If the key exists, put it. */
  | { readonly kind: "txn"; readonly valueBytes: number }
  /** So many puts in one transaction, of a key and those behind it. */
  | { readonly kind: "puts"; readonly puts: number; readonly valueBytes: number }
  /** A lease of an hour. */
  | { readonly kind: "grant" }
  | { readonly kind: "authenticate"; readonly username: string; readonly password: string };

export interface RequestTemplate {
  /** HEADERS and DATA frames of one call. */
  readonly frames: Buffer;
  /** Where the frames hold the stream's number. */
  readonly streamIdAt: readonly number[];
  /** Where each key's digits begin. */
  readonly digitsAt: readonly number[];
  /** How much larger each key is than the one before; they differ only in "puts". */
  readonly keyStep: 0 | 1;
  /** Bytes of DATA that flow control counts. */
  readonly dataBytes: number;
}

/** Number `n` as a key. */
export function keyOf(n: number): Buffer {
  return Buffer.from(KEY_PREFIX + String(n).padStart(KEY_DIGITS, "0"), "latin1");
}

const KEY = Buffer.from(KEY_PREFIX + PLACEHOLDER, "latin1");
const AFTER_ALL_KEYS = Buffer.from("bench.", "latin1");

/** The requests of one connection: its first, and all that follow. */
export interface RequestTemplates {
  readonly first: RequestTemplate;
  readonly next: RequestTemplate;
}

/**
 * A token is spelt out once per connection and stands in the server's table from then on, which is
 * what gRPC's own clients do.
 */
export function requestTemplates(request: RequestKind, token?: string): RequestTemplates {
  const next = template(request, token === undefined ? NO_FIELD : NEWEST_OF_TABLE);
  const first = token === undefined ? next : template(request, indexedLiteral("token", token));
  return { first, next };
}

function template(request: RequestKind, field: Buffer): RequestTemplate {
  switch (request.kind) {
    case "put":
      return unary("/etcdserverpb.KV/Put", PutRequest.encode(putOf(request.valueBytes)), field);
    case "get": {
      const get = RangeRequest.create({ key: KEY, serializable: request.isSerializable });
      return unary("/etcdserverpb.KV/Range", RangeRequest.encode(get), field);
    }
    case "range": {
      const range = RangeRequest.create({
        key: KEY,
        rangeEnd: AFTER_ALL_KEYS,
        limit: request.keys,
        serializable: request.isSerializable,
      });
      return unary("/etcdserverpb.KV/Range", RangeRequest.encode(range), field);
    }
    case "txn":
      return unary("/etcdserverpb.KV/Txn", TxnRequest.encode(txnOf(request.valueBytes)), field);
    case "puts": {
      const txn = TxnRequest.encode(putsOf(request.puts, request.valueBytes));
      return { ...unary("/etcdserverpb.KV/Txn", txn, field), keyStep: 1 };
    }
    case "grant": {
      const grant = LeaseGrantRequest.encode(LeaseGrantRequest.create({ TTL: 3600 }));
      return unary("/etcdserverpb.Lease/LeaseGrant", grant, field);
    }
    case "authenticate": {
      const { username: name, password } = request;
      const login = AuthenticateRequest.create({ name, password });
      return unary("/etcdserverpb.Auth/Authenticate", AuthenticateRequest.encode(login), field);
    }
  }
}

function putOf(valueBytes: number): PutRequest {
  return PutRequest.create({ key: KEY, value: Buffer.alloc(valueBytes, "v") });
}

function txnOf(valueBytes: number): TxnRequest {
  const put = putOf(valueBytes);
  const exists = Compare.create({
    key: KEY,
    target: Compare_CompareTarget.CREATE,
    result: Compare_CompareResult.GREATER,
    targetUnion: { case: "createRevision", value: 0 },
  });
  const then = RequestOp.create({ request: { case: "requestPut", value: put } });
  return TxnRequest.create({ compare: [exists], success: [then], failure: [then] });
}

function putsOf(puts: number, valueBytes: number): TxnRequest {
  const put = putOf(valueBytes);
  const op = RequestOp.create({ request: { case: "requestPut", value: put } });
  return TxnRequest.create({ success: Array.from({ length: puts }, () => op) });
}

const FRAME_HEADER_BYTES = 9;
/** RFC 9113 4.2: what every server takes. */
const MAX_FRAME_BYTES = 16_384;
const MESSAGE_PREFIX_BYTES = 5;
const HEADERS = 0x1;
const DATA = 0x0;
const END_HEADERS = 0x4;
const END_STREAM = 0x1;

function unary(path: string, message: Uint8Array, field: Buffer): RequestTemplate {
  const headers = frame(HEADERS, END_HEADERS, Buffer.concat([headerBlock(path), field]));
  const body = messageBody(message);
  const parts = [headers];
  const streamIdAt = [5];
  const digitsAt: number[] = [];
  let at = headers.length;
  for (let start = 0; start < body.length; ) {
    const end = frameEnd(body, start);
    const payload = body.subarray(start, end);
    parts.push(frame(DATA, end === body.length ? END_STREAM : 0, payload));
    streamIdAt.push(at + 5);
    at += FRAME_HEADER_BYTES;
    for (let i = payload.indexOf(PLACEHOLDER); i >= 0; i = payload.indexOf(PLACEHOLDER, i + 1)) {
      digitsAt.push(at + i);
    }
    at += payload.length;
    start = end;
  }
  return { frames: Buffer.concat(parts), streamIdAt, digitsAt, keyStep: 0, dataBytes: body.length };
}

/** Where the DATA frame from `start` on ends: no key is cut in two. */
function frameEnd(body: Buffer, start: number): number {
  const end = Math.min(start + MAX_FRAME_BYTES, body.length);
  if (end === body.length) return end;
  const cut = body.indexOf(PLACEHOLDER, end - KEY_DIGITS + 1);
  return cut >= 0 && cut < end ? cut : end;
}

/** The head of a gRPC call; the stream's number is to be filled in at offset 5. */
export function headersFrame(path: string): Buffer {
  return frame(HEADERS, END_HEADERS, headerBlock(path));
}

/** One gRPC message; the stream's number is to be filled in at offset 5. */
export function dataFrame(message: Uint8Array, isLast: boolean): Buffer {
  return frame(DATA, isLast ? END_STREAM : 0, messageBody(message));
}

function messageBody(message: Uint8Array): Buffer {
  const body = Buffer.alloc(MESSAGE_PREFIX_BYTES + message.length);
  body.writeUInt32BE(message.length, 1);
  body.set(message, MESSAGE_PREFIX_BYTES);
  return body;
}

function frame(type: number, flags: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.set(payload, FRAME_HEADER_BYTES);
  return bytes;
}

/** Static-table fields, and literals that no table keeps (RFC 7541 6.2.2). */
function headerBlock(path: string): Buffer {
  const METHOD_POST = 0x83;
  const SCHEME_HTTP = 0x86;
  return Buffer.concat([
    Buffer.from([METHOD_POST, SCHEME_HTTP]),
    literal(":path", path),
    literal(":authority", "localhost"),
    literal("content-type", "application/grpc"),
    literal("te", "trailers"),
  ]);
}

const NO_FIELD = Buffer.alloc(0);
/** The field that was added to the dynamic table last (RFC 7541 2.3.3 and 6.1). */
const NEWEST_OF_TABLE = Buffer.from([0x80 | 62]);

/** A field that the dynamic table keeps (RFC 7541 6.2.1). */
function indexedLiteral(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x40]), text(name), text(value)]);
}

function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0x00]), text(name), text(value)]);
}

function text(value: string): Buffer {
  return Buffer.concat([lengthOf(value), Buffer.from(value, "latin1")]);
}

/** An integer of seven bits and more (RFC 7541 5.1). */
function lengthOf({ length }: string): Buffer {
  const MOST = 0x7f;
  if (length < MOST) return Buffer.from([length]);
  const bytes = [MOST];
  let rest = length - MOST;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

const ZERO = 0x30;

/** Writes number `n` over a key's digits. */
export function writeDigits(target: Buffer, at: number, n: number): void {
  let rest = n;
  for (let i = at + KEY_DIGITS - 1; i >= at; i--) {
    const next = Math.floor(rest / 10);
    target[i] = ZERO + (rest - next * 10);
    rest = next;
  }
}
