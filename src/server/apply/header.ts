/**
 * Response headers as bytes. Cluster and member id never change, so they are encoded once; the
 * revision and term are written behind them.
 */
import { ResponseHeader } from "../../api/gen/rpc.ts";
import { copyRange } from "../../base/bytes.ts";
import { writeVarint } from "../../base/varint.ts";
import type { ClusterID, MemberID, Revision, Term } from "../../base/ids.ts";

/** Two ten-byte varints with their tags on top of the fixed ids. */
const MAX_VARIABLE_BYTES = 22;

export class HeaderEncoder {
  readonly #clusterID: ClusterID;
  readonly #memberID: MemberID;
  /** The ids, and room for what is written behind them each time. */
  readonly #header: Buffer;
  readonly #idBytes: number;
  #cached: Uint8Array = new Uint8Array(0);
  #cachedRevision = -1;
  #cachedTerm = -1;

  constructor(clusterID: ClusterID, memberID: MemberID) {
    this.#clusterID = clusterID;
    this.#memberID = memberID;
    const ids = ResponseHeader.encode(
      ResponseHeader.create({ clusterId: clusterID, memberId: memberID }),
    );
    this.#idBytes = ids.length;
    this.#header = Buffer.concat([ids, Buffer.alloc(MAX_VARIABLE_BYTES)]);
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
    if (revision === this.#cachedRevision && term === this.#cachedTerm) return this.#cached;
    this.#cached = Buffer.from(this.#header.subarray(0, this.#write(revision, term)));
    this.#cachedRevision = revision;
    this.#cachedTerm = term;
    return this.#cached;
  }

  /** A whole response message that consists of a header only, as most do (field 1). */
  encodeResponse(revision: Revision, term: Term): Uint8Array {
    const length = this.#write(revision, term);
    const response = Buffer.allocUnsafe(length + 2);
    response[0] = 0x0a;
    response[1] = length;
    copyRange(response, 2, this.#header, 0, length);
    return response;
  }

  /** Returns where the header ends. */
  #write(revision: Revision, term: Term): number {
    const bytes = this.#header;
    let at = this.#idBytes;
    if (revision !== 0) {
      bytes[at++] = 0x18;
      at = writeVarint(bytes, at, revision);
    }
    if (term !== 0) {
      bytes[at++] = 0x20;
      at = writeVarint(bytes, at, term);
    }
    return at;
  }
}
