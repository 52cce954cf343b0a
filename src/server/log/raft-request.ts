/**
 * The payload of a normal raft entry: an `InternalRaftRequest`, written and read without building
 * the message, because it has thirty members of which one is set. The client's request bytes are
 * embedded unchanged.
 */
import { type Identity, NOBODY } from "../../auth/index.ts";
import { bytesFromUtf8 } from "../../base/bytes.ts";
import type { RequestID } from "../../base/id-generator.ts";
import { sizeVarint, writeVarint } from "../../base/varint.ts";
import { DecodeError } from "../../base/wire.ts";
import { BODY_ROOM_BYTES } from "../../env/rpc.ts";

/** Field numbers of `InternalRaftRequest` that this server applies. */
export const RaftField = {
  v2: 2,
  range: 3,
  put: 4,
  deleteRange: 5,
  txn: 6,
  compaction: 7,
  leaseGrant: 8,
  leaseRevoke: 9,
  alarm: 10,
  leaseCheckpoint: 11,
  authEnable: 1000,
  authDisable: 1011,
  authenticate: 1012,
  authStatus: 1013,
  authUserAdd: 1100,
  authUserDelete: 1101,
  authUserGet: 1102,
  authUserChangePassword: 1103,
  authUserGrantRole: 1104,
  authUserRevokeRole: 1105,
  authUserList: 1106,
  authRoleList: 1107,
  authRoleAdd: 1200,
  authRoleDelete: 1201,
  authRoleGet: 1202,
  authRoleGrantPermission: 1203,
  authRoleRevokePermission: 1204,
  clusterVersionSet: 1300,
  clusterMemberAttrSet: 1301,
  downgradeInfoSet: 1302,
} as const;
export type RaftField = (typeof RaftField)[keyof typeof RaftField];

const HEADER_FIELD = 100;
const HEADER_TAG_BYTES = [0xa2, 0x06] as const;

/** One decoded envelope: which request it carries, and where its body lies in `data`. */
export interface RaftRequest {
  /** Field number of the request that is set, 0 when none is. */
  field: number;
  data: Uint8Array;
  start: number;
  end: number;
  /** Low 48 bits of the request id, and its high 16 bits (of the proposing member's id). */
  idLow: number;
  idHigh: number;
  username: string;
  authRevision: number;
}

/** What an identity adds besides its name: two tags, a length and a revision. */
const IDENTITY_OVERHEAD_BYTES = 16;
const NO_BYTES = new Uint8Array(0);
const TWO_32 = 0x1_0000_0000;
/** As the header of an entry tells them. A token is one identity over all of its requests. */
const encodedIdentities = new WeakMap<Identity, Uint8Array>();

/** Builds the entry data. Copies `body`, unless it has room (see `UnaryCall.bodyHasRoom`). */
export function encodeRaftRequest(
  field: number,
  body: Uint8Array,
  id: RequestID,
  identity: Identity = NOBODY,
  bodyHasRoom = false,
): Uint8Array {
  const who = identity === NOBODY ? NO_BYTES : encodedIdentity(identity);
  const start = bodyOffset(field, body.length);
  const headerBytes = 1 + sizeVarint64(id) + who.length;
  const behind = HEADER_TAG_BYTES.length + sizeVarint(headerBytes) + headerBytes;
  const size = start + body.length + behind;
  const isInPlace = bodyHasRoom && start <= BODY_ROOM_BYTES && behind <= BODY_ROOM_BYTES;
  const data = isInPlace
    ? Buffer.from(body.buffer, body.byteOffset - start, size)
    : Buffer.allocUnsafe(size);
  writeVarint(data, writeVarint(data, 0, field * 8 + 2), body.length);
  if (!isInPlace) data.set(body, start);
  let at = start + body.length;
  data[at++] = HEADER_TAG_BYTES[0];
  data[at++] = HEADER_TAG_BYTES[1];
  at = writeVarint(data, at, headerBytes);
  data[at++] = 0x08;
  at = writeVarint64(data, at, id);
  if (who.length > 0) data.set(who, at);
  return data;
}

function encodedIdentity(identity: Identity): Uint8Array {
  const known = encodedIdentities.get(identity);
  if (known !== undefined) return known;
  const encoded = encodeIdentity(identity);
  encodedIdentities.set(identity, encoded);
  return encoded;
}

/** etcd leaves out of the header what is empty or zero. */
function encodeIdentity(identity: Identity): Uint8Array {
  const name = bytesFromUtf8(identity.username);
  const bytes = new Uint8Array(IDENTITY_OVERHEAD_BYTES + name.length);
  let at = 0;
  if (name.length > 0) {
    bytes[at++] = 0x12;
    at = writeVarint(bytes, at, name.length);
    bytes.set(name, at);
    at += name.length;
  }
  if (identity.authRevision > 0) {
    bytes[at++] = 0x18;
    at = writeVarint(bytes, at, identity.authRevision);
  }
  return bytes.subarray(0, at);
}

/** Where the body starts that `encodeRaftRequest` embedded. */
export function bodyOffset(field: number, bodyLength: number): number {
  return sizeVarint(field * 8 + 2) + sizeVarint(bodyLength);
}

/**
 * Reads an envelope. Throws `DecodeError` on malformed bytes and on a request this version does
 * not know: applying only part of the log would let members diverge.
 */
export function decodeRaftRequest(data: Uint8Array): RaftRequest {
  const request: RaftRequest = {
    field: 0,
    data,
    start: 0,
    end: 0,
    idLow: 0,
    idHigh: 0,
    username: "",
    authRevision: 0,
  };
  let at = 0;
  while (at < data.length) {
    const tag = readVarint(data, at);
    at = cursor;
    const field = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (field === 1 && wireType === 0) {
      readID(data, at, request);
      at = cursor;
      continue;
    }
    if (wireType !== 2) throw new DecodeError(`unexpected wire type ${wireType}`, at);
    const length = readVarint(data, at);
    at = cursor;
    if (length > data.length - at) throw new DecodeError("message is cut off", at);
    if (field === HEADER_FIELD) readHeader(data, at, at + length, request);
    else {
      request.field = field;
      request.start = at;
      request.end = at + length;
    }
    at += length;
  }
  return request;
}

function readHeader(data: Uint8Array, start: number, end: number, request: RaftRequest): void {
  let at = start;
  while (at < end) {
    const tag = data[at++] ?? 0;
    if (tag === 0x08) {
      readID(data, at, request);
      at = cursor;
    } else if (tag === 0x12) {
      const length = readVarint(data, at);
      at = cursor + length;
      if (at > end) throw new DecodeError("header is cut off", at);
      request.username = Buffer.from(data.subarray(cursor, at)).toString("utf8");
    } else if (tag === 0x18) {
      request.authRevision = readVarint(data, at);
      at = cursor;
    } else {
      throw new DecodeError(`unknown request header field ${tag >> 3}`, at);
    }
  }
  if (at !== end) throw new DecodeError("header is cut off", at);
}

/** Position behind the last value read; the one-loop server needs no reader objects. */
let cursor = 0;

function readVarint(data: Uint8Array, start: number): number {
  let value = 0;
  let scale = 1;
  let at = start;
  for (let i = 0; i < 8; i++) {
    const byte = data[at++];
    if (byte === undefined) throw new DecodeError("varint is cut off", at);
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      cursor = at;
      return value;
    }
    scale *= 128;
  }
  throw new DecodeError("varint is too long", at);
}

/** Splits a 64-bit id into its low 48 and high 16 bits. */
function readID(data: Uint8Array, start: number, request: RaftRequest): void {
  let low = 0;
  let scale = 1;
  let at = start;
  for (let i = 0; i < 10; i++) {
    const byte = data[at++];
    if (byte === undefined) throw new DecodeError("varint is cut off", at);
    const bits = byte & 0x7f;
    if (i < 6) low += bits * scale;
    else if (i === 6) {
      low += (bits & 0x3f) * scale;
      request.idHigh = bits >> 6;
    } else request.idHigh += bits * 2 ** (7 * (i - 7) + 1);
    scale *= 128;
    if (byte < 0x80) {
      request.idLow = low;
      cursor = at;
      return;
    }
  }
  throw new DecodeError("varint is too long", at);
}

const LOW_48_BITS = 48;

function sizeVarint64({ low48, high16 }: RequestID): number {
  if (high16 === 0) return sizeVarint(low48);
  return Math.ceil((LOW_48_BITS + 32 - Math.clz32(high16)) / 7);
}

/** By halves of 32 bits: dividing what is larger costs a call for each byte. */
function writeVarint64(target: Uint8Array, start: number, { low48, high16 }: RequestID): number {
  let at = start;
  let low = low48 >>> 0;
  let high = (Math.floor(low48 / TWO_32) | (high16 << 16)) >>> 0;
  while (high !== 0) {
    target[at++] = (low & 0x7f) | 0x80;
    low = ((low >>> 7) | (high << 25)) >>> 0;
    high >>>= 7;
  }
  while (low > 0x7f) {
    target[at++] = (low & 0x7f) | 0x80;
    low >>>= 7;
  }
  target[at++] = low;
  return at;
}
