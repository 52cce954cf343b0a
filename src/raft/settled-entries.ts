/**
 * Entries that were applied, kept for followers only: as bytes outside of the heap, because thousands
 * of objects that live this long cost the collector more than making them again for the few that
 * are asked for.
 *
 * Invariant: indexes are contiguous from the first to the last one added. An entry that was added as
 * too large is known by its place alone.
 */
import type { Entry } from "../api/gen/raft.ts";
import { assert } from "../base/assert.ts";
import { ByteSlabs, SlabPool } from "../base/byte-slabs.ts";
import { copyRange } from "../base/bytes.ts";
import type { Index, Term } from "../base/ids.ts";

export interface SettledEntriesOptions {
  /** Entries that come and go together. */
  readonly chunkEntries?: number | undefined;
  /** Of the memory that their data is in: see `SlabPool`. */
  readonly slabBytes?: number | undefined;
}

const DEFAULT_CHUNK_ENTRIES = 2048;

interface Chunk {
  readonly first: Index;
  readonly terms: Float64Array;
  readonly types: Uint8Array;
  readonly data: ByteSlabs;
}

export class SettledEntries {
  readonly #pool: SlabPool;
  readonly #chunkEntries: number;
  #chunks: Chunk[] = [];

  constructor({ chunkEntries, slabBytes }: SettledEntriesOptions = {}) {
    this.#chunkEntries = chunkEntries ?? DEFAULT_CHUNK_ENTRIES;
    this.#pool = new SlabPool(slabBytes);
  }

  /** The entry behind the last one. `data` is its data, or nothing if it is kept elsewhere. */
  add({ type, term, index }: Entry, data: Uint8Array): void {
    let chunk = this.#chunks.at(-1);
    if (chunk === undefined || chunk.data.length === this.#chunkEntries) {
      chunk = newChunk(index, this.#chunkEntries, this.#pool);
      this.#chunks.push(chunk);
    }
    const at = chunk.data.length;
    assert(index === chunk.first + at, "settled entries are contiguous");
    chunk.terms[at] = term;
    chunk.types[at] = type;
    chunk.data.append(data.length);
    copyRange(chunk.data.bytes, chunk.data.start, data, 0, data.length);
  }

  term(index: Index): Term {
    const { terms, first } = this.#chunkOf(index);
    return terms[index - first] as Term;
  }

  entry(index: Index): Entry {
    const { first, types, terms, data } = this.#chunkOf(index);
    const at = index - first;
    data.lend(at);
    const bytes = data.bytes.subarray(data.start, data.end);
    return { type: types[at] as number, term: terms[at] as Term, index, data: bytes };
  }

  /** Of the data that is kept here. */
  bytesOf(index: Index): number {
    const { first, data } = this.#chunkOf(index);
    data.locate(index - first);
    return data.end - data.start;
  }

  /** Forgets the entries up to `index`, or most of them. */
  compact(index: Index): void {
    const kept = this.#chunks.findIndex(({ first, data }) => first + data.length > index + 1);
    const gone = this.#chunks.splice(0, kept < 0 ? this.#chunks.length : kept);
    for (const { data } of gone) data.recycle();
  }

  clear(): void {
    this.#chunks = [];
  }

  #chunkOf(index: Index): Chunk {
    const chunk = this.#chunks.findLast(({ first }) => first <= index);
    assert(chunk !== undefined, `entry ${index} is not settled`);
    return chunk;
  }
}

function newChunk(first: Index, entries: number, pool: SlabPool): Chunk {
  return {
    first,
    terms: new Float64Array(entries),
    types: new Uint8Array(entries),
    data: new ByteSlabs(pool),
  };
}
