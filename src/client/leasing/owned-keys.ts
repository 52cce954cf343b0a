/**
 * The keys that one owner may read without asking: their present state, who is writing to them, and
 * acquisitions that are under way. Names are keys as latin1 text. Nothing here waits or calls.
 */
import type { KeyValue } from "../../api/gen/kv.ts";
import type { ResponseHeader } from "../../api/gen/rpc.ts";
import type { Revision } from "../../base/ids.ts";
import type { Clock } from "../../env/clock.ts";
import { isInside, type Written } from "./written.ts";

/** Keys of one owner; the one that was read longest ago is given back. */
const MAX_OWNED_KEYS = 16_384;
/** Keys and values of one owner together: bounds its memory. */
const MAX_OWNED_BYTES = 64 * 1024 * 1024;
/** As etcd: a key that somebody else has asked for is not taken again so soon. */
const REVOKE_BACKOFF_MS = 2_000;

export interface OwnedKey {
  /** Revision at which the key that stands for the ownership was made. */
  readonly since: Revision;
  /** Of the answer that told of `kv`. */
  readonly header: ResponseHeader;
  /** Undefined: there is no such key. */
  readonly kv: KeyValue | undefined;
}

/** A question that may make a key ours. Made void by what happens to the key before its answer. */
export interface Acquisition {
  readonly name: string;
  readonly era: number;
  /** What was answered at an older revision is void. */
  voidBefore: Revision;
}

/** A write under way: reads of its keys wait for `done`. */
interface Writing {
  readonly written: Written;
  readonly done: Promise<void>;
}

export interface OwnedKeysDeps {
  readonly clock: Clock;
  /** Ownership of a key is to be given back to the cluster. */
  readonly onLeave: (name: string, since: Revision) => void;
}

export class OwnedKeys {
  readonly #deps: OwnedKeysDeps;
  /** In the order of their last read. */
  readonly #keys = new Map<string, OwnedKey>();
  #bytes = 0;
  /** Ownerships that are being given back, by their beginning: they are not taken up again. */
  readonly #leaving = new Map<string, Revision>();
  /** By name. */
  readonly #acquisitions = new Map<string, Set<Acquisition>>();
  readonly #pointWrites = new Map<string, Set<Writing>>();
  readonly #rangeWrites = new Set<Writing>();
  /** Until when not to take a key again, in the order of these times. */
  readonly #waitUntil = new Map<string, number>();
  #era = 0;

  constructor(deps: OwnedKeysDeps) {
    this.#deps = deps;
  }

  get(name: string): OwnedKey | undefined {
    const owned = this.#keys.get(name);
    if (owned === undefined) return undefined;
    this.#keys.delete(name);
    this.#keys.set(name, owned);
    return owned;
  }

  /** Settles when a write that may change the key has ended; undefined when there is none. */
  writing(name: string): Promise<void> | undefined {
    for (const { done } of this.#pointWrites.get(name) ?? []) return done;
    for (const { written, done } of this.#rangeWrites) if (touches(written, name)) return done;
    return undefined;
  }

  mayAcquire(name: string): boolean {
    const now = this.#deps.clock.nowMs();
    for (const [first, until] of this.#waitUntil) {
      if (until > now) break;
      this.#waitUntil.delete(first);
    }
    return !this.#waitUntil.has(name);
  }

  beginAcquisition(name: string): Acquisition {
    const acquisition = { name, era: this.#era, voidBefore: 0 };
    addTo(this.#acquisitions, name, acquisition);
    return acquisition;
  }

  endAcquisition(acquisition: Acquisition): void {
    removeFrom(this.#acquisitions, acquisition.name, acquisition);
  }

  /** The cluster says that the key is ours. */
  acquired({ name, era, voidBefore }: Acquisition, owned: OwnedKey): void {
    if (era !== this.#era || this.#leaving.get(name) === owned.since) return;
    const revision = owned.header.revision;
    const isLeased = owned.kv !== undefined && owned.kv.lease !== 0n;
    // What has a lease may vanish without a word to its owner.
    if (revision < voidBefore || isLeased) {
      this.#leave(name, owned.since);
      return;
    }
    if (revision >= (this.#keys.get(name)?.header.revision ?? 0)) this.#set(name, owned);
  }

  /** Call what it returns when the write has ended. */
  beginWrite(written: Written): () => void {
    let finish: () => void = () => undefined;
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const writing = { written, done };
    for (const name of written.points.keys()) addTo(this.#pointWrites, name, writing);
    if (written.ranges.length > 0) this.#rangeWrites.add(writing);
    return () => {
      for (const name of written.points.keys()) removeFrom(this.#pointWrites, name, writing);
      this.#rangeWrites.delete(writing);
      finish();
    };
  }

  /** Names of owned keys that a write may change. */
  ownedOf({ points, ranges }: Written): string[] {
    const names = [...points.keys()].filter((name) => this.#keys.has(name));
    if (ranges.length === 0) return names;
    for (const name of this.#keys.keys()) {
      const isNew = !points.has(name) && ranges.some((range) => isInside(range, name));
      if (isNew) names.push(name);
    }
    return names;
  }

  sinceOf(name: string): Revision | undefined {
    return this.#keys.get(name)?.since;
  }

  /** A write has succeeded; `found` is what it left of the keys that were read with it. */
  wrote(
    written: Written,
    header: ResponseHeader,
    found: ReadonlyMap<string, KeyValue | undefined>,
  ): void {
    const { revision } = header;
    this.#voidAcquisitions(written, revision);
    for (const name of this.ownedOf(written)) {
      const owned = this.#keys.get(name);
      if (owned === undefined || owned.header.revision >= revision) continue;
      const kv = found.get(name);
      const isLeased = kv !== undefined && kv.lease !== 0n;
      if (found.has(name) && !isLeased) this.#set(name, { since: owned.since, header, kv });
      else this.giveBack(name);
    }
  }

  /**
   * Nobody knows what became of a write. It may still happen as long as these ownerships last, so
   * they end; a later one makes it void.
   */
  mayHaveWritten(written: Written): void {
    this.#voidAcquisitions(written, Number.POSITIVE_INFINITY);
    for (const name of this.ownedOf(written)) this.giveBack(name);
  }

  /** Somebody else wants the key. */
  revoked(name: string, revision: Revision): void {
    this.#voidAcquisition(name, revision);
    this.#waitUntil.delete(name);
    this.#waitUntil.set(name, this.#deps.clock.nowMs() + REVOKE_BACKOFF_MS);
    this.#forget(name);
  }

  /** The key that stands for the ownership is gone. */
  vanished(name: string, revision: Revision): void {
    this.#voidAcquisition(name, revision);
    if ((this.#keys.get(name)?.since ?? revision) < revision) this.#forget(name);
  }

  giveBack(name: string): void {
    const since = this.#keys.get(name)?.since;
    if (since !== undefined) this.#leave(name, since);
  }

  /** The cluster knows that the ownership which began then has ended. */
  left(name: string, since: Revision): void {
    if (this.#leaving.get(name) === since) this.#leaving.delete(name);
  }

  /** All ownership has ended. */
  clear(): void {
    this.#era++;
    this.#keys.clear();
    this.#leaving.clear();
    this.#bytes = 0;
  }

  #leave(name: string, since: Revision): void {
    this.#forget(name);
    this.#leaving.set(name, since);
    this.#deps.onLeave(name, since);
  }

  #set(name: string, owned: OwnedKey): void {
    this.#forget(name);
    this.#keys.set(name, owned);
    this.#bytes += sizeOf(name, owned);
    for (const oldest of this.#keys.keys()) {
      if (this.#keys.size <= MAX_OWNED_KEYS && this.#bytes <= MAX_OWNED_BYTES) return;
      this.giveBack(oldest);
    }
  }

  #forget(name: string): void {
    const owned = this.#keys.get(name);
    if (owned === undefined) return;
    this.#keys.delete(name);
    this.#bytes -= sizeOf(name, owned);
  }

  #voidAcquisition(name: string, revision: Revision): void {
    for (const each of this.#acquisitions.get(name) ?? []) {
      each.voidBefore = Math.max(each.voidBefore, revision);
    }
  }

  #voidAcquisitions(written: Written, revision: Revision): void {
    for (const name of this.#acquisitions.keys()) {
      if (touches(written, name)) this.#voidAcquisition(name, revision);
    }
  }
}

function addTo<T>(sets: Map<string, Set<T>>, name: string, value: T): void {
  const set = sets.get(name);
  if (set === undefined) sets.set(name, new Set([value]));
  else set.add(value);
}

function removeFrom<T>(sets: Map<string, Set<T>>, name: string, value: T): void {
  const set = sets.get(name);
  set?.delete(value);
  if (set?.size === 0) sets.delete(name);
}

function touches({ points, ranges }: Written, name: string): boolean {
  return points.has(name) || ranges.some((range) => isInside(range, name));
}

function sizeOf(name: string, { kv }: OwnedKey): number {
  return name.length + (kv?.key.length ?? 0) + (kv?.value.length ?? 0);
}
