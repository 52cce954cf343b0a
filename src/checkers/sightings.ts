/**
 * What reads saw of single keys, by revision. A write that somebody guesses at is refused at once
 * if the next reader of the key contradicts it, instead of much later. Only certain conclusions:
 * whatever is refused here would contradict the reader itself.
 */
import type { Revision } from "../base/ids.ts";
import {
  didWrite,
  isAnswered,
  type KeyValueSeen,
  type KVRequest,
  type KVResult,
  type Operation,
} from "./history.ts";
import { type ModelEvent, sameKeyValue } from "./kv-model.ts";

interface Sighting {
  /** The key was so in the state of this revision. */
  readonly revision: Revision;
  readonly kv: KeyValueSeen;
}

export class Sightings {
  /** By ascending revision. */
  readonly #byKey = new Map<string, Sighting[]>();
  /** Revisions of acknowledged puts of a key, ascending. */
  readonly #puts = new Map<string, Revision[]>();

  constructor(history: readonly Operation[]) {
    for (const operation of history) {
      if (!isAnswered(operation)) continue;
      const { request, outcome } = operation;
      const { result, revision } = outcome;
      const asked = request.kind === "get" ? request.revision : undefined;
      if (result.kind === "revoke" || request.kind === "revoke") continue;
      this.#notePuts(request, result, revision);
      this.#note(result, asked ?? revision, asked ?? revision - 1);
    }
    for (const sightings of this.#byKey.values()) sightings.sort((a, b) => a.revision - b.revision);
    for (const revisions of this.#puts.values()) revisions.sort((a, b) => a - b);
  }

  #notePuts(request: KVRequest, result: KVResult, revision: Revision): void {
    if (request.kind === "put") {
      const revisions = this.#puts.get(request.key);
      if (revisions === undefined) this.#puts.set(request.key, [revision]);
      else revisions.push(revision);
    } else if (request.kind === "txn" && result.kind === "txn") {
      const branch = result.succeeded ? request.success : request.failure;
      for (const [i, each] of branch.entries()) {
        const own = result.results[i];
        if (own !== undefined) this.#notePuts(each, own, revision);
      }
    }
  }

  #note(result: KVResult, revision: Revision, before: Revision): void {
    switch (result.kind) {
      case "get":
        for (const kv of result.kvs) this.#add(revision, kv);
        break;
      case "put":
        if (result.prevKV !== undefined) this.#add(before, result.prevKV);
        break;
      case "delete":
        for (const kv of result.prevKVs) this.#add(before, kv);
        break;
      case "txn":
        // Amid its own writes a transaction sees states that no revision has.
        if (didWrite(result) === true) break;
        for (const each of result.results) this.#note(each, revision, before);
        break;
    }
  }

  #add(revision: Revision, kv: KeyValueSeen): void {
    const sightings = this.#byKey.get(kv.key);
    if (sightings === undefined) this.#byKey.set(kv.key, [{ revision, kv }]);
    else sightings.push({ revision, kv });
  }

  /** True if nobody contradicts that these events made the revision. */
  allow(events: readonly ModelEvent[], revision: Revision): boolean {
    return events.every(({ key, kv }) => {
      const sighting = this.#next(key, revision);
      if (sighting === undefined) return true;
      const later = sighting.kv;
      if (later.modRevision < revision) return false;
      if (later.modRevision === revision) return sameKeyValue(kv, later);
      if (later.createRevision > revision) return true;
      // The key lived on from here: each put since then counts.
      const puts = this.#puts.get(key) ?? [];
      const since = indexFrom(puts, later.modRevision + 1) - indexFrom(puts, revision + 1);
      return kv?.createRevision === later.createRevision && kv.version + since <= later.version;
    });
  }

  /** The first sighting of the key at the revision or later. */
  #next(key: string, revision: Revision): Sighting | undefined {
    const sightings = this.#byKey.get(key) ?? [];
    let low = 0;
    let high = sightings.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sightings[middle] as Sighting).revision < revision) low = middle + 1;
      else high = middle;
    }
    return sightings[low];
  }
}

/** Index of the first element that is at least `value`. */
function indexFrom(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
