/**
 * Stored records as places in the memory that holds them (pages, batches), so that a range over
 * thousands of keys makes no object for each. The memory is shared: do not change it.
 */

import { sizeDelimited } from "../base/wire.ts";

/** Records in order, encoded mvccpb.KeyValue each. */
export interface Records extends Iterable<Uint8Array> {
  readonly length: number;
  /** Of all records. */
  readonly bytes: number;
  /** Of all records, each as a field of a message, whose number is below 16. */
  readonly fieldBytes: number;
  /** As `Array.at`, for an index from 0 on. */
  at(index: number): Uint8Array | undefined;
  /** Bytes of a record. */
  lengthAt(index: number): number;
  /** Writes a record at `at`. */
  copy(index: number, target: Buffer, at: number): void;
  map<T>(each: (record: Uint8Array, index: number) => T): T[];
}

/** Up to this length a copy loop beats the array's own. */
const COPY_LOOP_LIMIT = 32;

/** Records that a list has memory for unless it is told. */
const FEW_RECORDS = 8;

export class RecordList implements Records {
  length = 0;
  bytes = 0;
  fieldBytes = 0;
  /** Of each record where it begins and ends. */
  #places: Int32Array;
  /** Records beside each other often lie in the same memory: the first record of each stretch. */
  readonly #memory: Buffer[] = [];
  readonly #firsts: number[] = [];
  /** The stretch that was looked at last: records are mostly asked for in order. */
  #stretch = 0;

  /** Has memory for `foreseen` records, and grows. */
  constructor(foreseen: number = FEW_RECORDS) {
    this.#places = new Int32Array(2 * Math.max(foreseen, 1));
  }

  /** A list of records that are whole arrays. */
  static of(records: readonly Uint8Array[]): RecordList {
    const list = new RecordList(records.length);
    for (const record of records) list.add(record, 0, record.length);
    return list;
  }

  add(memory: Uint8Array, start: number, end: number): void {
    const { length } = this;
    if (this.#memory.at(-1) !== memory) {
      this.#memory.push(asBuffer(memory));
      this.#firsts.push(length);
    }
    if (2 * length === this.#places.length) this.#grow();
    this.#places[2 * length] = start;
    this.#places[2 * length + 1] = end;
    this.length = length + 1;
    this.bytes += end - start;
    this.fieldBytes += 1 + sizeDelimited(end - start);
  }

  #grow(): void {
    const places = new Int32Array(2 * this.#places.length);
    places.set(this.#places);
    this.#places = places;
  }

  at(index: number): Uint8Array | undefined {
    if (index >= this.length) return undefined;
    return this.#memoryOf(index).subarray(this.#places[2 * index], this.#places[2 * index + 1]);
  }

  lengthAt(index: number): number {
    return (this.#places[2 * index + 1] as number) - (this.#places[2 * index] as number);
  }

  copy(index: number, target: Buffer, at: number): void {
    const memory = this.#memoryOf(index);
    const start = this.#places[2 * index] as number;
    const end = this.#places[2 * index + 1] as number;
    if (end - start > COPY_LOOP_LIMIT) {
      memory.copy(target, at, start, end);
      return;
    }
    for (let from = start, to = at; from < end; from++) target[to++] = memory[from] as number;
  }

  #memoryOf(index: number): Buffer {
    const firsts = this.#firsts;
    let stretch = this.#stretch;
    while ((firsts[stretch] as number) > index) stretch--;
    while (stretch + 1 < firsts.length && (firsts[stretch + 1] as number) <= index) stretch++;
    this.#stretch = stretch;
    return this.#memory[stretch] as Buffer;
  }

  map<T>(each: (record: Uint8Array, index: number) => T): T[] {
    return Array.from(this, each);
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    for (let index = 0; index < this.length; index++) yield this.at(index) as Uint8Array;
  }
}

export const NO_RECORDS: Records = new RecordList();

/** The record of a get. */
export class OneRecord implements Records {
  readonly length = 1;
  readonly #record: Uint8Array;

  constructor(record: Uint8Array) {
    this.#record = record;
  }

  get bytes(): number {
    return this.#record.length;
  }

  get fieldBytes(): number {
    return 1 + sizeDelimited(this.#record.length);
  }

  at(index: number): Uint8Array | undefined {
    return index === 0 ? this.#record : undefined;
  }

  lengthAt(): number {
    return this.#record.length;
  }

  copy(_index: number, target: Buffer, at: number): void {
    target.set(this.#record, at);
  }

  map<T>(each: (record: Uint8Array, index: number) => T): T[] {
    return [each(this.#record, 0)];
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    yield this.#record;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
