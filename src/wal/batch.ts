/**
 * Saves that are written and synced together, and whoever waits for them. A batch is reused: its
 * buffer lives as long as the log.
 */
import type { HardState } from "../api/gen/raft.ts";
import type { Index } from "../base/ids.ts";
import { RecordEncoder } from "./record.ts";

/** The log as it was before a batch, to return to when the disk is full. */
export interface Checkpoint {
  readonly crc: number;
  readonly state: HardState;
  readonly lastIndex: Index;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Batch {
  readonly encoder: RecordEncoder;
  before: Checkpoint;
  mustSync = false;
  /** A new segment is asked for behind this batch, whatever its size. */
  cutAfter = false;
  /** Name of the segment that this batch begins; undefined when it goes into the tail. */
  segment: string | undefined;
  /** Bytes at the beginning that are the head of the new segment. */
  headBytes = 0;
  /** The new segment is in place; what follows the head may still fail. */
  headPlaced = false;
  #headCrc = 0;
  #waiters: Waiter[] = [];

  constructor(before: Checkpoint, allocate: (bytes: number) => Buffer) {
    this.before = before;
    this.encoder = new RecordEncoder(before.crc, allocate);
  }

  get isEmpty(): boolean {
    return this.encoder.length === 0;
  }

  get isAwaited(): boolean {
    return this.#waiters.length > 0;
  }

  /**
   * Forgets everything but its buffer. Nobody may be waiting. `lead` is what the file has since the
   * last boundary of blocks before where this batch goes; none when that is not known.
   */
  reset(before: Checkpoint, lead?: Uint8Array): void {
    this.encoder.reset(before.crc, lead);
    this.before = before;
    this.mustSync = false;
    this.cutAfter = false;
    this.segment = undefined;
    this.headBytes = 0;
    this.headPlaced = false;
    this.#waiters = [];
  }

  /** Makes this the first batch of the segment with this name. It must be empty. */
  beginSegment(name: string, metadata: Uint8Array, state: HardState | undefined): void {
    const { encoder } = this;
    encoder.reset(encoder.crc);
    encoder.checksum();
    encoder.metadata(metadata);
    if (state !== undefined) encoder.state(state);
    this.segment = name;
    this.headBytes = encoder.length;
    this.#headCrc = encoder.crc;
    this.mustSync = true;
  }

  /** What the log returns to when this batch fails now: the head stays if it is in place. */
  get rollbackPoint(): Checkpoint {
    return this.headPlaced ? { ...this.before, crc: this.#headCrc } : this.before;
  }

  /** Settles with the batch. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  resolve(): void {
    for (const { resolve } of this.#takeWaiters()) resolve();
  }

  reject(error: Error): void {
    for (const { reject } of this.#takeWaiters()) reject(error);
  }

  #takeWaiters(): Waiter[] {
    const waiters = this.#waiters;
    this.#waiters = [];
    return waiters;
  }
}
