/**
 * Bytes and writes of many keys from a few pages. Groups with many keys are split at the first byte
 * in which their keys differ; the server counts the parts, so each sample has its exact weight.
 */
import { type KeySpan, meet, prefixSpan } from "./key-span.ts";
import type { SpaceKey, SpaceReader } from "./space.ts";

export interface Sample {
  readonly keys: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly writes: number;
  readonly sampled: number;
}

/** Keys of one span, and how many they are. */
export interface Group {
  readonly span: KeySpan;
  readonly keys: number;
}

/** Keys of a first page with values: one may have a megabyte. */
const FIRST_SAMPLE_KEYS = 8;
/** Keys of a page with small values. */
const FULL_SAMPLE_KEYS = 128;
/** What a page should carry, in bytes. */
const SAMPLE_PAGE_BYTES = 256 * 1024;
/** Parts of one group; those behind them stay together. */
const MAX_PARTS_OF_GROUP = 16;

export class SpaceSampler {
  readonly #reader: SpaceReader;
  readonly #samples: number;

  constructor(reader: SpaceReader, samples: number) {
    this.#reader = reader;
    this.#samples = Math.max(1, samples);
  }

  async sample(groups: readonly Group[]): Promise<Sample> {
    const keys = groups.reduce((sum, group) => sum + group.keys, 0);
    const pages = new Pages(this.#reader);
    if (keys <= this.#samples * FIRST_SAMPLE_KEYS) {
      const total = new Sums();
      for (const { span } of groups) await pages.readAll(span, total);
      return total.as(total.keys);
    }
    const chosen = await this.#strata(groups.filter((group) => group.keys > 0));
    const estimate = new Sums();
    let weighed = 0;
    for (const group of chosen) {
      const page = new Sums();
      await pages.readOne(group.span, page);
      if (page.keys === 0) continue;
      weighed += group.keys;
      estimate.addScaled(page, group.keys / page.keys);
    }
    return weighed === 0 ? new Sums().as(keys) : estimate.scaled(keys / weighed).as(keys);
  }

  /** The groups, split until they are enough; by the parts of the last one, a few more. */
  async #strata(groups: readonly Group[]): Promise<readonly Group[]> {
    const whole: Group[] = [];
    let open = [...groups];
    while (open.length > 0 && open.length + whole.length < this.#samples) {
      open.sort(byKeys);
      const [largest, ...others] = open;
      if (largest === undefined) break;
      const parts = await this.#split(largest);
      if (parts.length < 2) {
        whole.push(largest);
        open = others;
      } else open = [...others, ...parts];
    }
    return [...open, ...whole];
  }

  async #split({ span, keys }: Group): Promise<readonly Group[]> {
    const first = (await this.#reader.page(span, 1, true))[0]?.key;
    if (first === undefined || keys < 2) return [];
    const shared = await this.#sharedLength(span, keys, first);
    const parts: Group[] = [];
    let left = keys;
    for (let from = span.begin, key: string | undefined = first; key !== undefined && left > 0; ) {
      // The key that all others continue stands alone.
      const own: KeySpan =
        key.length === shared
          ? { begin: key, end: `${key}\0` }
          : meet(prefixSpan(key.slice(0, shared + 1)), span);
      const isLast = parts.length === MAX_PARTS_OF_GROUP - 1;
      const part: KeySpan = isLast ? { begin: from, end: span.end } : own;
      const count = isLast ? left : await this.#reader.count(part);
      if (count > 0) parts.push({ span: part, keys: count });
      if (isLast || part.end === span.end) break;
      left -= count;
      from = part.end;
      key = (await this.#reader.page({ begin: from, end: span.end }, 1, true))[0]?.key;
    }
    return parts;
  }

  /** How many of the first key's bytes all keys of the span begin with. */
  async #sharedLength(span: KeySpan, keys: number, first: string): Promise<number> {
    let low = 0;
    let high = first.length;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const within = meet(prefixSpan(first.slice(0, middle)), span);
      if ((await this.#reader.count(within)) >= keys) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function byKeys(a: Group, b: Group): number {
  return b.keys - a.keys;
}

/** Reads pages whose size follows that of the values met so far. */
class Pages {
  readonly #reader: SpaceReader;
  #limit = FIRST_SAMPLE_KEYS;

  constructor(reader: SpaceReader) {
    this.#reader = reader;
  }

  async readOne(span: KeySpan, into: Sums): Promise<readonly SpaceKey[]> {
    const page = await this.#reader.page(span, this.#limit, false);
    for (const key of page) into.add(key);
    const bytes = page.reduce((sum, { key, valueBytes }) => sum + key.length + valueBytes, 0);
    if (page.length > 0) {
      const fitting = Math.floor((SAMPLE_PAGE_BYTES * page.length) / Math.max(1, bytes));
      this.#limit = Math.min(FULL_SAMPLE_KEYS, Math.max(1, fitting));
    }
    return page;
  }

  async readAll(span: KeySpan, into: Sums): Promise<void> {
    for (let from = span.begin; ; ) {
      const limit = this.#limit;
      const page = await this.readOne({ begin: from, end: span.end }, into);
      const last = page.at(-1);
      if (last === undefined || page.length < limit) return;
      from = `${last.key}\0`;
    }
  }
}

class Sums {
  keys = 0;
  #keyBytes = 0;
  #valueBytes = 0;
  #writes = 0;
  #sampled = 0;

  add({ key, valueBytes, version }: SpaceKey): void {
    this.keys++;
    this.#sampled++;
    this.#keyBytes += key.length;
    this.#valueBytes += valueBytes;
    this.#writes += version;
  }

  addScaled(other: Sums, factor: number): void {
    this.#sampled += other.#sampled;
    this.#keyBytes += other.#keyBytes * factor;
    this.#valueBytes += other.#valueBytes * factor;
    this.#writes += other.#writes * factor;
  }

  scaled(factor: number): Sums {
    const scaled = new Sums();
    scaled.addScaled(this, factor);
    return scaled;
  }

  as(keys: number): Sample {
    return {
      keys,
      keyBytes: Math.round(this.#keyBytes),
      valueBytes: Math.round(this.#valueBytes),
      writes: Math.round(this.#writes),
      sampled: Math.min(this.#sampled, keys),
    };
  }
}
