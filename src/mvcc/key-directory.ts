/**
 * Finds a key's record number by hashing: one or two cache misses where the ordered tree has
 * twenty. Holds the keys by record number.
 *
 * Open addressing with linear probing in many small segments, so that growing one is a matter of
 * microseconds to a few milliseconds, not of the whole table. Entries are {hash, record + 1}.
 * Keys that collide, by chance or by an attacker's choice, beyond `MAX_PROBES` go to a Map, whose
 * hashes nobody outside can know, and their segment is marked. So no look-up costs more than a
 * bounded number of probes and one look into the Map.
 */

const SEGMENT_BITS = 10;
const SEGMENTS = 1 << SEGMENT_BITS;
const FIRST_CAPACITY = 16;
const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Bounds a lookup among colliding keys; by chance nobody gets so far. */
const MAX_PROBES = 64;

/** Record number of a key that is not there. */
export const ABSENT = -1;

class Segment {
  /** Pairs of hash and record + 1; a record of 0 is a free slot. */
  slots: Int32Array;
  used = 0;
  /** True once some key of this segment went to the overflow. */
  overflowed = false;

  constructor(slots: Int32Array = new Int32Array(2 * FIRST_CAPACITY)) {
    this.slots = slots;
  }
}

/** Stands for all segments that no key has come to: a small index is made quickly. Never changed. */
const EMPTY = new Segment();

/** The same number for a key as text and as bytes. */
export interface KeyHash {
  ofText(key: string): number;
  ofBytes(bytes: Uint8Array, start: number, end: number): number;
}

export class KeyDirectory {
  #segments: Segment[] = new Array<Segment>(SEGMENTS).fill(EMPTY);
  #keyChunks: string[][] = [];
  #overflow = new Map<string, number>();
  readonly #hash: KeyHash;

  constructor(hash: KeyHash = FNV) {
    this.#hash = hash;
  }

  copy(): KeyDirectory {
    const copy = new KeyDirectory(this.#hash);
    copy.#segments = copyAll(this.#segments);
    copy.#keyChunks = this.#keyChunks.map((chunk) => chunk.slice());
    copy.#overflow = new Map(this.#overflow);
    return copy;
  }

  /** The record of `key`, or `ABSENT`. */
  get(key: string): number {
    const hash = this.#hash.ofText(key);
    const segment = this.#segments[hash >>> (32 - SEGMENT_BITS)] as Segment;
    const slots = segment.slots;
    const mask = slots.length - 2;
    let at = (hash << 1) & mask;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const record = slots[at + 1] as number;
      if (record === 0) break;
      if (slots[at] === hash && this.keyOf(record - 1) === key) return record - 1;
      at = (at + 2) & mask;
    }
    return segment.overflowed ? (this.#overflow.get(key) ?? ABSENT) : ABSENT;
  }

  /** The key of a record that was added. */
  keyOf(record: number): string {
    return (this.#keyChunks[record >>> 13] as string[])[record & 8191] as string;
  }

  /** Enters a key that is not there. Records are numbered densely from 0. */
  add(key: string, record: number): void {
    this.#enter(key, this.#hash.ofText(key), record);
  }

  #enter(key: string, hash: number, record: number): void {
    const number = hash >>> (32 - SEGMENT_BITS);
    let segment = this.#segments[number] as Segment;
    if (segment === EMPTY) {
      segment = new Segment();
      this.#segments[number] = segment;
    }
    const chunk = record >>> 13;
    if (chunk === this.#keyChunks.length) this.#keyChunks.push([]);
    (this.#keyChunks[chunk] as string[])[record & 8191] = key;
    if ((segment.used + 1) * 10 > (segment.slots.length >> 1) * 7) this.#grow(segment);
    this.#place(segment, hash, record);
  }

  hashOf(bytes: Uint8Array, start: number, end: number): number {
    return this.#hash.ofBytes(bytes, start, end);
  }

  /** The record in the first place for a hash, which need not be that of a key; or `ABSENT`. */
  peek(hash: number): number {
    const { slots } = this.#segments[hash >>> (32 - SEGMENT_BITS)] as Segment;
    const at = (hash << 1) & (slots.length - 2);
    return slots[at] === hash ? (slots[at + 1] as number) - 1 : ABSENT;
  }

  /**
   * The record of the key in bytes[start, end), which has this hash and is entered as `record` if it
   * is not there. Only then a string is made of it.
   */
  getOrAdd(bytes: Buffer, start: number, end: number, hash: number, record: number): number {
    const segment = this.#segments[hash >>> (32 - SEGMENT_BITS)] as Segment;
    const slots = segment.slots;
    const mask = slots.length - 2;
    let at = (hash << 1) & mask;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      const found = slots[at + 1] as number;
      if (found === 0) break;
      if (slots[at] === hash && isText(this.keyOf(found - 1), bytes, start, end)) return found - 1;
      at = (at + 2) & mask;
    }
    const key = bytes.latin1Slice(start, end);
    const overflowed = segment.overflowed ? this.#overflow.get(key) : undefined;
    if (overflowed !== undefined) return overflowed;
    this.#enter(key, hash, record);
    return record;
  }

  /** Takes a key out; its record number may be used again. */
  delete(key: string, record: number): void {
    (this.#keyChunks[record >>> 13] as string[])[record & 8191] = "";
    const hash = this.#hash.ofText(key);
    const segment = this.#segments[hash >>> (32 - SEGMENT_BITS)] as Segment;
    const slots = segment.slots;
    const mask = slots.length - 2;
    let at = (hash << 1) & mask;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      if (slots[at + 1] === 0) break;
      if (slots[at + 1] === record + 1) {
        closeGap(slots, at);
        segment.used--;
        return;
      }
      at = (at + 2) & mask;
    }
    this.#overflow.delete(key);
  }

  #grow(segment: Segment): void {
    const old = segment.slots;
    segment.slots = new Int32Array(old.length * 2);
    segment.used = 0;
    for (let at = 0; at < old.length; at += 2) {
      const entry = old[at + 1] as number;
      if (entry !== 0) this.#place(segment, old[at] as number, entry - 1);
    }
  }

  #place(segment: Segment, hash: number, record: number): void {
    const slots = segment.slots;
    const mask = slots.length - 2;
    let at = (hash << 1) & mask;
    for (let probe = 0; probe < MAX_PROBES; probe++) {
      if (slots[at + 1] === 0) {
        slots[at] = hash;
        slots[at + 1] = record + 1;
        segment.used++;
        return;
      }
      at = (at + 2) & mask;
    }
    segment.overflowed = true;
    this.#overflow.set(this.keyOf(record), record);
  }
}

/** The slots of all copies lie in one piece of memory: many small pieces take longer to make. */
function copyAll(segments: readonly Segment[]): Segment[] {
  let length = 0;
  for (const segment of segments) if (segment !== EMPTY) length += segment.slots.length;
  const all = new Int32Array(length);
  let at = 0;
  return segments.map((segment) => {
    if (segment === EMPTY) return EMPTY;
    const { slots, used, overflowed } = segment;
    all.set(slots, at);
    const copy = new Segment(new Int32Array(all.buffer, at * all.BYTES_PER_ELEMENT, slots.length));
    copy.used = used;
    copy.overflowed = overflowed;
    at += slots.length;
    return copy;
  });
}

function isText(key: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false;
  // Neighbouring keys mostly differ late.
  for (let i = key.length - 1; i >= 0; i--)
    if (key.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

/** FNV-1a with a final mix, since segments use the high bits and slots the low ones. */
const FNV: KeyHash = {
  ofText(key) {
    let hash = FNV_BASIS;
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), FNV_PRIME);
    return mixed(hash);
  },
  ofBytes(bytes, start, end) {
    let hash = FNV_BASIS;
    for (let at = start; at < end; at++) {
      hash = Math.imul(hash ^ (bytes[at] as number), FNV_PRIME);
    }
    return mixed(hash);
  },
};

function mixed(sum: number): number {
  let hash = sum;
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return hash ^ (hash >>> 13);
}

/** Frees a slot and moves later entries of the probe sequence up, so that none is cut off. */
function closeGap(slots: Int32Array, freed: number): void {
  const mask = slots.length - 2;
  let gap = freed;
  let at = freed;
  for (;;) {
    at = (at + 2) & mask;
    if (slots[at + 1] === 0) break;
    const home = ((slots[at] as number) << 1) & mask;
    // The entry may move if its home is not cyclically in (gap, at].
    if (((at - home) & mask) < ((at - gap) & mask)) continue;
    slots[gap] = slots[at] as number;
    slots[gap + 1] = slots[at + 1] as number;
    gap = at;
  }
  slots[gap] = 0;
  slots[gap + 1] = 0;
}
