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
import type { Clock } from "../env/clock.ts";
import type { AnsweringStream, Caller } from "./caller.ts";
import { abortedError, deadlineError, EtcdClientError } from "./errors.ts";
import { ItemQueue } from "./item-queue.ts";
import { METHODS } from "./methods.ts";
import type { CallOptions } from "./options.ts";
import { type Limits, onAbort } from "./waiting.ts";

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
    this.receivedBytes = 0;
    const transfer = await Transfer.open(this.#caller, this.#options);
    try {
      for (;;) {
        const message = await transfer.next();
        if (message === undefined) break;
        this.version = message.version;
        this.remainingBytes = message.remainingBytes;
        this.receivedBytes += message.blob.length;
        check.update(message.blob);
        yield message.blob;
      }
      check.verify();
    } finally {
      transfer.end();
    }
  }
}

/** The stream of one iteration, bounded in time and memory. */
class Transfer {
  readonly #queue = new ItemQueue<SnapshotResponse>();
  readonly #forget: () => void;
  #stream: AnsweringStream | undefined;
  #heldBytes = 0;

  private constructor(clock: Clock, { signal, deadlineMs }: Limits) {
    const forgetSignal = onAbort(signal, () => this.#queue.fail(abortedError(signal?.reason)));
    const timer =
      deadlineMs === Number.POSITIVE_INFINITY
        ? undefined
        : clock.setTimer(Math.max(0, deadlineMs - clock.nowMs()), () =>
            this.#queue.fail(deadlineError()),
          );
    this.#forget = () => {
      timer?.cancel();
      forgetSignal();
    };
  }

  static async open(caller: Caller, options: CallOptions): Promise<Transfer> {
    const limits = caller.limitsOf(options);
    const transfer = new Transfer(caller.clock, limits);
    const sink = {
      onMessage: (message: SnapshotResponse) => transfer.#accept(message),
      onEnd: (error: EtcdClientError | undefined) => transfer.#queue.end(error),
    };
    try {
      const request = SnapshotRequest.create();
      const { snapshot } = METHODS;
      transfer.#stream = await caller.openAnswering(snapshot, request, sink, limits, options);
      return transfer;
    } catch (error) {
      transfer.end();
      throw error;
    }
  }

  #accept(message: SnapshotResponse): void {
    this.#heldBytes += message.blob.length;
    if (this.#heldBytes > MAX_HELD_BYTES) this.#stream?.pauseReceiving();
    this.#queue.push(message);
  }

  /** Undefined at the end. */
  async next(): Promise<SnapshotResponse | undefined> {
    const message = await this.#queue.next();
    if (message === undefined) return undefined;
    this.#heldBytes -= message.blob.length;
    if (this.#heldBytes < MAX_HELD_BYTES / 2) this.#stream?.resumeReceiving();
    return message;
  }

  end(): void {
    this.#forget();
    this.#stream?.cancel();
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
