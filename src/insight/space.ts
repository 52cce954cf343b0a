/**
 * What fills the database below a prefix: keys, bytes and writes of each child prefix. Runs in the
 * browser too, over any etcd.
 *
 * Counts are exact (the server counts). Bytes and writes come from samples where a prefix has many
 * keys: its keys are split into groups of known count, each group is read in one small page, and
 * weighs as much as its count. A prefix of few keys is read whole. The work is bounded by
 * `SpaceOptions.samples` and the limits below, not by the number of keys; nothing is read at one
 * revision, so a store that is written meanwhile is told approximately.
 *
 * Keys are latin1 strings, a code unit for each byte; the end "" means no upper end.
 */
import { type KeySpan, prefixSpan } from "./key-span.ts";
import { type Sample, SpaceSampler } from "./space-sampler.ts";

export interface SpaceKey {
  readonly key: string;
  /** 0 where only keys were asked for. */
  readonly valueBytes: number;
  /** Writes since the key was created. */
  readonly version: number;
}

/** How the store is asked: both are one range request. */
export interface SpaceReader {
  count(span: KeySpan): Promise<number>;
  /** The first keys of the span, ascending, at most `limit`. */
  page(span: KeySpan, limit: number, keysOnly: boolean): Promise<readonly SpaceKey[]>;
}

export interface SpaceOptions {
  /** What to look at; "" is everything. */
  readonly prefix: string;
  /** Where a child prefix ends. */
  readonly separator: string;
  /** Levels of child prefixes; 0 tells the prefix alone. */
  readonly depth: number;
  /** Pages that are read of a prefix with many keys, and up to fifteen more. */
  readonly samples: number;
  /** After every request; throw to end the survey. */
  readonly onRequest?: ((requests: number, at: string) => void) | undefined;
}

export interface SpaceNode {
  /**
   * "prefix": all keys that begin with it. "keys": those that stand directly below it, in no child
   * prefix. "rest": those behind the children that were told apart.
   */
  readonly kind: "prefix" | "keys" | "rest";
  readonly prefix: string;
  readonly keys: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  /** Writes that the keys have had since they were created. */
  readonly writes: number;
  /** Keys that were read; as many as `keys` when bytes and writes are exact. */
  readonly sampled: number;
  /** The largest first. */
  readonly children: readonly SpaceNode[];
}

/** Child prefixes told apart below one prefix; a tree with more is no help to a reader. */
const MAX_CHILD_PREFIXES = 256;
/** Pages without a new child prefix after which the rest is not told apart: it may be all keys. */
const MAX_PAGES_WITHOUT_CHILD = 4;
/** Requests after which children are no longer opened: some seconds of work. */
const MAX_REQUESTS = 5000;
/** Keys of a first page, which a child prefix mostly ends. */
const FIRST_PAGE_KEYS = 16;
/** Keys of a page in which nothing could be skipped. */
const FULL_PAGE_KEYS = 512;

export async function surveySpace(reader: SpaceReader, options: SpaceOptions): Promise<SpaceNode> {
  return new Survey(reader, options).run();
}

interface Children {
  readonly prefixes: readonly string[];
  /** Where keys without a child prefix stand. */
  readonly runs: readonly KeySpan[];
  readonly rest: KeySpan | undefined;
}

class Survey {
  readonly #reader: SpaceReader;
  readonly #options: SpaceOptions;
  readonly #sampler: SpaceSampler;
  #requests = 0;
  #at = "";

  constructor(reader: SpaceReader, options: SpaceOptions) {
    this.#reader = {
      count: (span) => this.#request(() => reader.count(span)),
      page: (span, limit, keysOnly) => this.#request(() => reader.page(span, limit, keysOnly)),
    };
    this.#options = options;
    this.#sampler = new SpaceSampler(this.#reader, options.samples);
  }

  async run(): Promise<SpaceNode> {
    const { prefix, depth } = this.#options;
    const count = await this.#reader.count(prefixSpan(prefix));
    return this.#node(prefix, count, depth);
  }

  async #request<T>(ask: () => Promise<T>): Promise<T> {
    const answer = await ask();
    this.#options.onRequest?.(++this.#requests, this.#at);
    return answer;
  }

  async #node(prefix: string, keys: number, depth: number): Promise<SpaceNode> {
    this.#at = prefix;
    if (depth === 0 || keys === 0 || this.#requests >= MAX_REQUESTS) {
      const sample = await this.#sampler.sample([{ span: prefixSpan(prefix), keys }]);
      return leaf("prefix", prefix, sample);
    }
    const { prefixes, runs, rest } = await this.#children(prefix);
    const children: SpaceNode[] = [];
    for (const child of prefixes) {
      const count = await this.#reader.count(prefixSpan(child));
      children.push(await this.#node(child, count, depth - 1));
    }
    this.#at = prefix;
    const direct = await this.#leaf("keys", prefix, runs);
    if (direct.keys > 0) children.push(direct);
    if (rest !== undefined) children.push(await this.#leaf("rest", prefix, [rest]));
    return parent(prefix, children);
  }

  async #leaf(
    kind: "keys" | "rest",
    prefix: string,
    spans: readonly KeySpan[],
  ): Promise<SpaceNode> {
    const groups = [];
    for (const span of spans) groups.push({ span, keys: await this.#reader.count(span) });
    return leaf(kind, prefix, await this.#sampler.sample(groups));
  }

  /** Walks over the keys below a prefix, and over each child prefix in one step. */
  async #children(prefix: string): Promise<Children> {
    const { separator } = this.#options;
    const whole = prefixSpan(prefix);
    const prefixes: string[] = [];
    const runs: KeySpan[] = [];
    let runBegin: string | undefined;
    let from = whole.begin;
    let limit = FIRST_PAGE_KEYS;
    let idlePages = 0;
    for (;;) {
      const page = await this.#reader.page({ begin: from, end: whole.end }, limit, true);
      let skipTo: string | undefined;
      const known = prefixes.length;
      for (const { key } of page) {
        if (skipTo !== undefined && (skipTo === "" || key < skipTo)) continue;
        const at = key.indexOf(separator, prefix.length);
        if (at < 0) {
          runBegin ??= key;
          skipTo = undefined;
          continue;
        }
        const child = key.slice(0, at + separator.length);
        if (runBegin !== undefined) runs.push({ begin: runBegin, end: child });
        runBegin = undefined;
        prefixes.push(child);
        skipTo = prefixSpan(child).end;
      }
      const last = page.at(-1)?.key;
      const isEnd = last === undefined || page.length < limit || skipTo === "";
      from = skipTo ?? `${last}\0`;
      idlePages = prefixes.length > known ? 0 : idlePages + 1;
      const isTooMuch =
        prefixes.length >= MAX_CHILD_PREFIXES || idlePages >= MAX_PAGES_WITHOUT_CHILD;
      if (isEnd || isTooMuch) {
        const end = isEnd ? whole.end : from;
        // A page without a single child says nothing of what comes: all of it is one group.
        if (!isEnd && prefixes.length === 0) {
          return { prefixes, runs: [], rest: whole };
        }
        if (runBegin !== undefined) runs.push({ begin: runBegin, end });
        const rest = isEnd ? undefined : { begin: from, end: whole.end };
        return { prefixes, runs, rest };
      }
      limit = skipTo === undefined ? Math.min(limit * 4, FULL_PAGE_KEYS) : FIRST_PAGE_KEYS;
    }
  }
}

function leaf(kind: SpaceNode["kind"], prefix: string, sample: Sample): SpaceNode {
  return { kind, prefix, ...sample, children: [] };
}

function parent(prefix: string, children: readonly SpaceNode[]): SpaceNode {
  const [only] = children;
  // One leaf would only repeat what it stands in.
  if (only !== undefined && children.length === 1 && only.kind !== "prefix") {
    return { ...only, kind: "prefix" };
  }
  const sum = (of: (node: SpaceNode) => number): number =>
    children.reduce((total, child) => total + of(child), 0);
  return {
    kind: "prefix",
    prefix,
    keys: sum(({ keys }) => keys),
    keyBytes: sum(({ keyBytes }) => keyBytes),
    valueBytes: sum(({ valueBytes }) => valueBytes),
    writes: sum(({ writes }) => writes),
    sampled: sum(({ sampled }) => sampled),
    children: [...children].sort((a, b) => bytesOf(b) - bytesOf(a)),
  };
}

/** Keys and values. Past versions, which a compaction removes, come on top in the db. */
export function bytesOf({ keyBytes, valueBytes }: SpaceNode): number {
  return keyBytes + valueBytes;
}
