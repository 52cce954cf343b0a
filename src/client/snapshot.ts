/**
 * A member's database as a stream. The server sends the file in order and its SHA-256 last; the
 * hash is also part of what a snapshot file holds, so everything is passed on as it came.
 *
 * A reader that is slower than the network makes the server wait: at most a few blobs are held.
 */
import type { Hash } from "node:crypto";
import { StatusCode } from "../api/errors.ts";
import { SnapshotRequest, type SnapshotResponse } from "../api/gen/rpc.ts";
import { equalBytes } from "../base/bytes.ts";
import { ItemQueue } from "./item-queue.ts";
import type { Caller, OpenStream } from "./caller.ts";
import { abortedError, deadlineError, EtcdClientError } from "./errors.ts";
import { METHODS } from "./methods.ts";
import type { CallOptions } from "./options.ts";
import { onAbort } from "./waiting.ts";

const HASH_BYTES = 32;
/** The database is made of sectors: what is left over is the hash. */
const SECTOR_BYTES = 512;
/** Held blobs beyond which the server is told to wait. */
const MAX_HELD_BYTES = 1 << 20;

export class Snapshot implements AsyncIterable<Uint8Array> {
  readonly #caller: Caller;
  readonly #options: CallOptions;
  /** Of the server's storage; empty before the first blob, and from servers before 3.6. */
  version = "";
  /** What is still to come, as the server says; undefined before the first blob. */
  remainingBytes: number | undefined;
  /** What has been yielded. */
  receivedBytes = 0;

  constructor(caller: Caller, options: CallOptions) {
    this.#caller = caller;
    this.#options = options;
  }

  /**
   * Starts the transfer; each iteration is one of its own. Rejects with kind "snapshotCorrupt"
   * after the last blob if the data is not what the hash says: throw away what was written.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    const { createHash } = await import("node:crypto");
    const check = new TrailingHash(createHash("sha256"));
    const queue = new ItemQueue<SnapshotResponse>();
    const limits = this.#caller.limitsOf(this.#options);
    this.receivedBytes = 0;
    let held = 0;
    let open: OpenStream<SnapshotRequest> | undefined;
    const sink = {
      onMessage: (message: SnapshotResponse, bytes: number) => {
        held += bytes;
        if (held > MAX_HELD_BYTES) open?.stream.pauseReceiving();
        queue.push(message);
      },
      onEnd: (error: EtcdClientError | undefined) => queue.end(error),
    };
    open = await this.#caller.openStream(METHODS.snapshot, sink, limits, this.#options, undefined);
    const { stream } = open;
    const { signal } = limits;
    const timer =
      limits.deadlineMs === Number.POSITIVE_INFINITY
        ? undefined
        : this.#caller.clock.setTimer(limits.deadlineMs - this.#caller.clock.nowMs(), () =>
            queue.fail(deadlineError()),
          );
    const forget = onAbort(signal, () => queue.fail(abortedError(signal?.reason)));
    try {
      open.send(SnapshotRequest.create());
      stream.halfClose();
      for (;;) {
        const message = await queue.next();
        if (message === undefined) break;
        held -= message.blob.length;
        if (held < MAX_HELD_BYTES / 2) stream.resumeReceiving();
        this.version = message.version;
        this.remainingBytes = message.remainingBytes;
        this.receivedBytes += message.blob.length;
        check.update(message.blob);
        yield message.blob;
      }
      check.verify();
    } finally {
      timer?.cancel();
      forget();
      stream.cancel();
    }
  }
}

/** Hashes all but the last 32 bytes of a stream, which must equal the hash. */
class TrailingHash {
  readonly #hash: Hash;
  #tail: Buffer = Buffer.alloc(0);
  #totalBytes = 0;

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  update(blob: Uint8Array): void {
    this.#totalBytes += blob.length;
    if (blob.length >= HASH_BYTES) {
      this.#hash.update(this.#tail);
      this.#hash.update(blob.subarray(0, blob.length - HASH_BYTES));
      this.#tail = Buffer.from(blob.subarray(blob.length - HASH_BYTES));
      return;
    }
    const joined = Buffer.concat([this.#tail, blob]);
    const split = Math.max(0, joined.length - HASH_BYTES);
    this.#hash.update(joined.subarray(0, split));
    this.#tail = joined.subarray(split);
  }

  verify(): void {
    if (this.#totalBytes % SECTOR_BYTES !== HASH_BYTES) {
      throw corrupt(`the snapshot ended after ${this.#totalBytes} bytes, without its checksum`);
    }
    if (!equalBytes(this.#hash.digest(), this.#tail)) {
      throw corrupt("the snapshot's data does not match its SHA-256");
    }
  }
}

function corrupt(message: string): EtcdClientError {
  return new EtcdClientError(message, { code: StatusCode.DATA_LOSS, kind: "snapshotCorrupt" });
}
