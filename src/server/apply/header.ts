/**
 * Response headers as bytes. Cluster and member id never change, so they are encoded once; the
 * revision and term are written behind them.
 */
import { ResponseHeader } from "../../api/gen/rpc.ts";
import { copyRange, EMPTY_BYTES } from "../../base/bytes.ts";
import { writeVarint } from "../../base/varint.ts";
import type { ClusterID, MemberID, Revision, Term } from "../../base/ids.ts";

/** Two ten-byte varints with their tags on top of the fixed ids. */
const MAX_VARIABLE_BYTES = 22;

/** Tag of `header` in all responses, and the length, which is below 128. */
const FIELD_HEAD_BYTES = 2;
const HEADER_TAG = 0x0a;

export class HeaderEncoder {
  readonly #clusterID: ClusterID;
  readonly #memberID: MemberID;
  /** The field of a response: its head, the ids, and room for what is written behind them. */
  readonly #field: Buffer;
  readonly #idsEnd: number;
  /** The field of a response, and the message in it. */
  #cachedField: Uint8Array = EMPTY_BYTES;
  #cached: Uint8Array = EMPTY_BYTES;
  #borrowed: Uint8Array = EMPTY_BYTES;
  #cachedRevision = -1;
  #cachedTerm = -1;

  constructor(clusterID: ClusterID, memberID: MemberID) {
    this.#clusterID = clusterID;
    this.#memberID = memberID;
    const ids = ResponseHeader.encode(
      ResponseHeader.create({ clusterId: clusterID, memberId: memberID }),
    );
    this.#idsEnd = FIELD_HEAD_BYTES + ids.length;
    const head = Buffer.from([HEADER_TAG, 0]);
    this.#field = Buffer.concat([head, ids, Buffer.alloc(MAX_VARIABLE_BYTES)]);
  }

  /** The header as a message, for responses that are encoded as a whole. */
  message(revision: Revision, raftTerm: Term): ResponseHeader {
    return ResponseHeader.create({
      clusterId: this.#clusterID,
      memberId: this.#memberID,
      revision,
      raftTerm,
    });
  }

  /** An encoded `ResponseHeader` message. The caller must not change it: it is shared. */
  encode(revision: Revision, term: Term): Uint8Array {
    if (revision !== this.#cachedRevision || term !== this.#cachedTerm) {
      this.#cachedField = this.encodeResponse(revision, term);
      this.#cached = this.#cachedField.subarray(FIELD_HEAD_BYTES);
      this.#cachedRevision = revision;
      this.#cachedTerm = term;
    }
    return this.#cached;
  }

  /** The same, to be used at once: valid until something else is asked for. */
  borrow(revision: Revision, term: Term): Uint8Array {
    const end = this.#write(revision, term);
    if (this.#borrowed.length !== end - FIELD_HEAD_BYTES) {
      this.#borrowed = this.#field.subarray(FIELD_HEAD_BYTES, end);
    }
    return this.#borrowed;
  }

  /** The first field of a response. As `encode`, it is shared. */
  encodeField(revision: Revision, term: Term): Uint8Array {
    this.encode(revision, term);
    return this.#cachedField;
  }

  /** A whole response message that consists of a header only, as most do. It is the caller's. */
  encodeResponse(revision: Revision, term: Term): Uint8Array {
    const end = this.#write(revision, term);
    const response = Buffer.allocUnsafe(end);
    copyRange(response, 0, this.#field, 0, end);
    return response;
  }

  /** Returns where the field ends. */
  #write(revision: Revision, term: Term): number {
    const bytes = this.#field;
    let at = this.#idsEnd;
    if (revision !== 0) {
      bytes[at++] = 0x18;
      at = writeVarint(bytes, at, revision);
    }
    if (term !== 0) {
      bytes[at++] = 0x20;
      at = writeVarint(bytes, at, term);
    }
    bytes[1] = at - FIELD_HEAD_BYTES;
    return at;
  }
}
