/**
 * HPACK decoding (RFC 7541). Never throws: a malformed block gives `undefined` and ends the
 * connection with COMPRESSION_ERROR, since both sides' tables may differ from then on.
 *
 * Fast path: a block that changes no table decodes to the same fields as long as the table keeps
 * its generation, so the last few blocks are kept by their bytes.
 */
import { HEADER_TABLE_BYTES, MAX_HEADER_BLOCK_BYTES, MAX_HEADER_LIST_BYTES } from "../limits.ts";
import { HeaderBlock } from "./header-block.ts";
import { HeaderField } from "./header-field.ts";
import { DynamicTable, STATIC_COUNT, STATIC_TABLE } from "./hpack-table.ts";
import { huffmanDecode } from "./huffman.ts";

/** Distinct heads of one connection that are remembered, and how long they may be. */
const CACHE_ENTRIES = 8;
const CACHE_BLOCK_BYTES = 256;

interface CachedBlock {
  readonly generation: number;
  readonly bytes: Uint8Array;
  readonly block: HeaderBlock;
}

/** Huffman output is at most 8/5 of its input. One for all decoders: used synchronously. */
const scratch = Buffer.allocUnsafeSlow(Math.ceil((MAX_HEADER_BLOCK_BYTES * 8) / 5) + 8);

export class HpackDecoder {
  readonly #table: DynamicTable;
  /** Our SETTINGS_HEADER_TABLE_SIZE: what the peer may choose at most. */
  readonly #maxTableBytes: number;
  readonly #maxListBytes: number;
  #cache: CachedBlock[] = [];
  #cacheTurn = 0;
  #lastHit = 0;
  #source: Buffer = scratch;
  #at = 0;
  #end = 0;
  #failed = false;

  constructor(
    maxListBytes: number = MAX_HEADER_LIST_BYTES,
    maxTableBytes: number = HEADER_TABLE_BYTES,
  ) {
    this.#maxListBytes = maxListBytes;
    this.#maxTableBytes = maxTableBytes;
    this.#table = new DynamicTable(maxTableBytes);
  }

  /** Bytes of the dynamic table; for tests. */
  get tableBytes(): number {
    return this.#table.bytes;
  }

  /** Decodes the whole block `source[start, end)`; undefined when it is malformed. */
  decode(source: Buffer, start: number, end: number): HeaderBlock | undefined {
    if (end - start <= CACHE_BLOCK_BYTES) {
      const cached = this.#lookUp(source, start, end);
      if (cached !== undefined) return cached;
    }
    const generation = this.#table.generation;
    const block = this.#decode(source, start, end);
    const unchanged = generation === this.#table.generation;
    if (unchanged && block !== undefined && end - start <= CACHE_BLOCK_BYTES) {
      const bytes = Uint8Array.prototype.slice.call(source, start, end);
      this.#lastHit = this.#cacheTurn;
      this.#cache[this.#cacheTurn] = { generation, bytes, block };
      this.#cacheTurn = (this.#cacheTurn + 1) % CACHE_ENTRIES;
    }
    return block;
  }

  #lookUp(source: Buffer, start: number, end: number): HeaderBlock | undefined {
    const cache = this.#cache;
    const generation = this.#table.generation;
    const length = end - start;
    for (let n = 0, i = this.#lastHit; n < cache.length; n++, i++) {
      if (i >= cache.length) i = 0;
      const entry = cache[i] as CachedBlock;
      if (entry.generation !== generation || entry.bytes.length !== length) continue;
      const bytes = entry.bytes;
      let k = 0;
      while (k < length && bytes[k] === source[start + k]) k++;
      if (k === length) {
        this.#lastHit = i;
        return entry.block;
      }
    }
    return undefined;
  }

  #decode(source: Buffer, start: number, end: number): HeaderBlock | undefined {
    this.#source = source;
    this.#at = start;
    this.#end = end;
    this.#failed = false;
    const block = new HeaderBlock();
    let listBytes = 0;
    let sizeUpdateAllowed = true;
    while (this.#at < this.#end) {
      const byte = source[this.#at] as number;
      if (byte >= 0x20 && byte < 0x40) {
        const bytes = this.#integer(0x1f);
        if (!sizeUpdateAllowed || bytes > this.#maxTableBytes) this.#failed = true;
        if (this.#failed) break;
        this.#table.resize(bytes);
        continue;
      }
      sizeUpdateAllowed = false;
      const field = byte >= 0x80 ? this.#entryAt(this.#integer(0x7f)) : this.#literal(byte);
      if (field === undefined || this.#failed) {
        this.#failed = true;
        break;
      }
      listBytes += field.size;
      if (listBytes <= this.#maxListBytes) block.add(field);
    }
    this.#source = scratch;
    if (this.#failed) return undefined;
    block.seal(listBytes > this.#maxListBytes);
    return block;
  }

  #literal(byte: number): HeaderField | undefined {
    const indexed = byte >= 0x40;
    const nameIndex = this.#integer(indexed ? 0x3f : 0x0f);
    const name = nameIndex === 0 ? this.#string() : this.#entryAt(nameIndex)?.name;
    if (name === undefined || this.#failed) return undefined;
    const value = this.#string();
    if (this.#failed) return undefined;
    const field = new HeaderField(name, value);
    if (indexed) this.#table.insert(field);
    return field;
  }

  #entryAt(index: number): HeaderField | undefined {
    return index <= STATIC_COUNT
      ? STATIC_TABLE[index - 1]
      : this.#table.at(index - STATIC_COUNT - 1);
  }

  /** RFC 7541 5.1, at most four continuation octets: nothing legal needs more. */
  #integer(mask: number): number {
    let value = (this.#source[this.#at++] as number) & mask;
    if (value < mask) return value;
    for (let shift = 0; shift < 28; shift += 7) {
      if (this.#at >= this.#end) break;
      const byte = this.#source[this.#at++] as number;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    this.#failed = true;
    return 0;
  }

  #string(): string {
    if (this.#at >= this.#end) {
      this.#failed = true;
      return "";
    }
    const huffman = (this.#source[this.#at] as number) >= 0x80;
    const length = this.#integer(0x7f);
    const start = this.#at;
    if (this.#failed || length > this.#end - start) {
      this.#failed = true;
      return "";
    }
    this.#at = start + length;
    if (!huffman) return this.#source.latin1Slice(start, start + length);
    const decoded = huffmanDecode(this.#source, start, start + length, scratch);
    if (decoded < 0) {
      this.#failed = true;
      return "";
    }
    return scratch.latin1Slice(0, decoded);
  }
}
