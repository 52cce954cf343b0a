/**
 * Stored records as places in the memory that holds them (pages, batches), so that a range over
 * thousands of keys makes no object for each. The memory is shared: do not change it.
 */

/** Records in order, encoded mvccpb.KeyValue each. */
export interface Records extends Iterable<Uint8Array> {
  readonly length: number;
  /** Of all records. */
  readonly bytes: number;
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

export class RecordList implements Records {
  readonly #memory: Buffer[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  bytes = 0;

  /** A list of records that are whole arrays. */
  static of(records: readonly Uint8Array[]): RecordList {
    const list = new RecordList();
    for (const record of records) list.add(record, 0, record.length);
    return list;
  }

  get length(): number {
    return this.#memory.length;
  }

  add(memory: Uint8Array, start: number, end: number): void {
    this.#memory.push(asBuffer(memory));
    this.#starts.push(start);
    this.#ends.push(end);
    this.bytes += end - start;
  }

  at(index: number): Uint8Array | undefined {
    return this.#memory[index]?.subarray(this.#starts[index], this.#ends[index]);
  }

  lengthAt(index: number): number {
    return (this.#ends[index] as number) - (this.#starts[index] as number);
  }

  copy(index: number, target: Buffer, at: number): void {
    const memory = this.#memory[index] as Buffer;
    const start = this.#starts[index] as number;
    const end = this.#ends[index] as number;
    if (end - start > COPY_LOOP_LIMIT) {
      memory.copy(target, at, start, end);
      return;
    }
    for (let from = start, to = at; from < end; from++) target[to++] = memory[from] as number;
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
