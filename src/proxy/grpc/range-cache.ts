/**
 * Answers to ranges, for serializable reads to come: as old as serializable reads may be, as in etcd.
 * What is written through this proxy takes the answers away that it concerns; what is written
 * elsewhere does not.
 *
 * An answer is for the token that it was given to only.
 */
import { latin1FromBytes } from "../../base/bytes.ts";
import { IntervalTree } from "../../base/interval-tree.ts";
import { type RangeRequest, RangeRequest as RangeRequestCodec } from "../../api/gen/rpc.ts";

/** etcd's number. */
const MAX_CACHED_RANGES = 2_048;
/** Ranges may be large; bounds the memory of all of them. */
const MAX_CACHED_BYTES = 64 * 1024 * 1024;

interface Entry {
  readonly answer: Uint8Array;
  readonly request: RangeRequest;
}

export class RangeCache {
  /** In the order of their last use. */
  readonly #entries = new Map<string, Entry>();
  /** Names of the entries by their range; those of a revision never change and are not in it. */
  readonly #ranges = new IntervalTree<Set<string>>();
  #bytes = 0;
  #compacted = -1;
  /** Counts invalidations: an answer that was asked for before one may be older than it. */
  generation = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** "compacted": the request asks for history that is gone. */
  get(request: RangeRequest, token: string | undefined): Uint8Array | "compacted" | undefined {
    if (request.revision > 0 && request.revision < this.#compacted) return "compacted";
    const name = nameOf(request, token);
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    return entry.answer;
  }

  /** `since` is the generation when the answer was asked for. */
  add(request: RangeRequest, token: string | undefined, answer: Uint8Array, since: number): void {
    if (since !== this.generation) return;
    if (request.revision > 0 && request.revision <= this.#compacted) return;
    if (answer.length > MAX_CACHED_BYTES) return;
    const name = nameOf(request, token);
    this.#remove(name);
    this.#entries.set(name, { answer, request });
    this.#bytes += answer.length;
    if (request.revision === 0) {
      const [begin, end] = intervalOf(request);
      if (end === "" || begin < end) {
        const names = this.#ranges.get(begin, end) ?? new Set();
        this.#ranges.set(begin, end, names.add(name));
      }
    }
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_CACHED_RANGES && this.#bytes <= MAX_CACHED_BYTES) return;
      this.#remove(oldest);
    }
  }

  /** Keys of this range have changed, or are about to. */
  invalidate(range: Pick<RangeRequest, "key" | "rangeEnd">): void {
    const [begin, end] = intervalOf(range);
    this.generation++;
    const found: string[] = [];
    if (range.rangeEnd.length === 0) this.#ranges.stab(begin, (names) => found.push(...names));
    else {
      for (const [from, to, names] of this.#ranges.entries()) {
        const isApart = (end !== "" && from >= end) || (to !== "" && to <= begin);
        if (!isApart) found.push(...names);
      }
    }
    for (const name of found) this.#remove(name);
  }

  compact(revision: number): void {
    this.#compacted = Math.max(this.#compacted, revision);
  }

  #remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#bytes -= entry.answer.length;
    const [begin, end] = intervalOf(entry.request);
    const names = this.#ranges.get(begin, end);
    names?.delete(name);
    if (names?.size === 0) this.#ranges.delete(begin, end);
  }
}

/** A linearizable read leaves the answer that a serializable one gets. */
function nameOf(request: RangeRequest, token = ""): string {
  const body = RangeRequestCodec.encode({ ...request, serializable: true });
  return `${token}\n${latin1FromBytes(body)}`;
}

/** As `IntervalTree` has them. */
function intervalOf({ key, rangeEnd }: Pick<RangeRequest, "key" | "rangeEnd">): [string, string] {
  const begin = latin1FromBytes(key);
  if (rangeEnd.length === 0) return [begin, `${begin}\0`];
  return rangeEnd.length === 1 && rangeEnd[0] === 0
    ? [begin, ""]
    : [begin, latin1FromBytes(rangeEnd)];
}
