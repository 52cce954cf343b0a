/**
 * `KV.RangeStream` (etcd 3.7): a range in pieces, all of one revision, so that neither side holds
 * a huge result. Merging all pieces gives what `Range` would answer; header, `more` and `count`
 * come with the last one.
 */
import { EtcdError, StatusCode } from "../../api/errors.ts";
import {
  RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
} from "../../api/gen/rpc.ts";
import { bytesFromLatin1, copyBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import { sizeVarint, writeVarint } from "../../base/varint.ts";
import type { StreamCall } from "../../env/index.ts";
import type { Slice, Steps } from "../../base/slice.ts";
import {
  checkRange,
  encodeRangeResponse,
  keyOf,
  RangeExecution,
  type RangeResult,
  type Records,
} from "../../mvcc/index.ts";
import { METHOD } from "../../api/rpc-table.ts";
import type { Identity } from "../../auth/index.ts";
import type { LinearizableReader } from "../consensus/linearizable-reads.ts";
import type { Answering, ServerContext } from "../context.ts";
import { serverLimits } from "../limits.ts";
import { finishWith } from "./reply.ts";
import type { StreamRows } from "./rows.ts";

/** Size of a piece that the number of keys per piece is adjusted to. */
const TARGET_PIECE_BYTES = 512 * 1024;
const MAX_PIECE_KEYS = 5000;
/** A client that lags this far makes the stream wait. */
const MAX_BUFFERED_BYTES = 2 * 1024 * 1024;
const RANGE_RESPONSE_TAG = 0x0a;
/** Tag and length of a header without content, which only the last piece may have. */
const EMPTY_HEADER_FIELD_BYTES = 2;

type RangeStreamNeeds = Answering & Pick<ServerContext, "defer" | "options" | "turns">;

export type RangeStreamServiceNeeds = RangeStreamNeeds &
  LinearizableReader &
  Pick<ServerContext, "auth">;

export class RangeStreamService {
  readonly stream: StreamRows = {
    [METHOD.RangeStream]: (call, who) => this.rangeStream(call, who),
  };
  readonly #server: RangeStreamServiceNeeds;

  constructor(server: RangeStreamServiceNeeds) {
    this.#server = server;
  }

  rangeStream(call: StreamCall, who: Identity): void {
    call.onMessage = (message) => {
      try {
        const request = RangeRequest.decode(copyBytes(message));
        checkRange(request);
        const refused = unsupported(request);
        if (refused !== undefined) {
          call.finish(StatusCode.UNIMPLEMENTED, refused);
          return;
        }
        const { auth } = this.#server;
        if (auth.store.enabled) auth.permissions.checkRange(who, request);
        this.#begin(call, request, who);
      } catch (error) {
        finishWith(call, error);
      }
    };
  }

  #begin(call: StreamCall, request: RangeRequest, who: Identity): void {
    if (request.serializable) {
      new RangeStream(this.#server, call, request).next();
      return;
    }
    const { auth } = this.#server;
    this.#server.reads.add((error) => {
      try {
        if (error !== undefined) throw error;
        auth.confirm(who);
        if (auth.isUnchecked(who)) auth.permissions.checkRange(who, request);
      } catch (refusal) {
        finishWith(call, refusal);
        return;
      }
      new RangeStream(this.#server, call, request).next();
    }, call.span);
    this.#server.flush();
  }
}

class RangeStream {
  readonly #server: RangeStreamNeeds;
  readonly #call: StreamCall;
  readonly #request: RangeRequest;
  /** Keys that may still be sent; Infinity without a limit. */
  #remaining: number;
  #pieceKeys: number;
  /** Keys of the whole range. */
  #count = 0;
  #isReading = false;
  #headerRevision = 0;
  #gone = false;

  constructor(server: RangeStreamNeeds, call: StreamCall, request: RangeRequest) {
    this.#server = server;
    this.#call = call;
    this.#request = request;
    this.#pieceKeys = serverLimits(server.options.limits).firstPieceKeys;
    this.#remaining = request.limit > 0 ? request.limit : Number.POSITIVE_INFINITY;
    call.onCancel = () => {
      this.#gone = true;
    };
    call.onDrain = () => this.next();
  }

  /** Sends pieces until the client lags or everything is sent. */
  next(): void {
    if (this.#gone || this.#isReading || this.#call.bufferedBytes > MAX_BUFFERED_BYTES) return;
    this.#isReading = true;
    this.#server.turns.run((slice) => this.#readPiece(slice), {
      done: (result) => {
        if (this.#sendPiece(result)) {
          this.#gone = true;
          this.#call.finish(StatusCode.OK, "");
          return;
        }
        this.#server.defer(() => {
          this.#isReading = false;
          this.next();
        });
      },
      failed: (error) => {
        this.#gone = true;
        finishWith(this.#call, error);
      },
      isCancelled: () => this.#gone,
    });
  }

  /** Only the first piece knows the count: later ones would have to walk all that is left. */
  *#readPiece(slice: Slice): Steps<RangeResult> {
    const { store } = this.#server;
    const request = this.#request;
    request.limit = Math.min(this.#pieceKeys, this.#remaining);
    const isFirst = this.#headerRevision === 0;
    const execution = new RangeExecution(store, request, { withoutCount: !isFirst });
    try {
      return yield* execution.run(slice);
    } finally {
      execution.close();
    }
  }

  /** True when it was the last one. */
  #sendPiece(result: RangeResult): boolean {
    const { header, term } = this.#server;
    const request = this.#request;
    if (this.#headerRevision === 0) {
      this.#headerRevision = result.revision;
      this.#count = result.count;
      if (request.revision === 0) request.revision = result.revision;
    }
    this.#remaining -= result.kvs.length;
    const isLast = !result.more || this.#remaining === 0;
    const headerBytes = isLast ? header.encode(this.#headerRevision, term) : EMPTY_BYTES;
    const count = isLast ? this.#count : 0;
    const piece = { ...result, count, more: isLast && result.more };
    const whole = encodeRangeResponse(headerBytes, piece);
    const encoded = isLast ? whole : whole.subarray(EMPTY_HEADER_FIELD_BYTES);
    this.#call.send(prefixOf(encoded.length), encoded);
    if (!isLast) this.#advance(result.kvs, encoded.length);
    return isLast;
  }

  #advance(kvs: Records, bytes: number): void {
    const last = kvs.at(kvs.length - 1);
    if (last === undefined) throw new EtcdError("keyNotFound");
    this.#request.key = bytesFromLatin1(`${keyOf(last)}\0`);
    const perKey = Math.max(1, bytes / kvs.length);
    this.#pieceKeys = Math.max(
      1,
      Math.min(MAX_PIECE_KEYS, Math.floor(TARGET_PIECE_BYTES / perKey)),
    );
  }
}

/** Tag and length of the one field of `RangeStreamResponse`. */
function prefixOf(length: number): Uint8Array {
  const prefix = new Uint8Array(1 + sizeVarint(length));
  prefix[0] = RANGE_RESPONSE_TAG;
  writeVarint(prefix, 1, length);
  return prefix;
}

function unsupported(request: RangeRequest): string | undefined {
  const { sortOrder, sortTarget } = request;
  const isNatural =
    sortOrder === RangeRequest_SortOrder.NONE ||
    (sortOrder === RangeRequest_SortOrder.ASCEND && sortTarget === RangeRequest_SortTarget.KEY);
  if (!isNatural || sortTarget !== RangeRequest_SortTarget.KEY) {
    return "RangeStream does not support custom sort orders";
  }
  const filters = [
    request.minModRevision,
    request.maxModRevision,
    request.minCreateRevision,
    request.maxCreateRevision,
  ];
  return filters.some((filter) => filter !== 0)
    ? "RangeStream does not support revision filters"
    : undefined;
}
