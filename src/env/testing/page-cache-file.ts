/**
 * One file of the fault disk: what a reader sees now, what is surely on the platter, and the list of
 * changes in between.
 *
 * The crash model. A sector (512 bytes) is written back as it stood after some prefix of the
 * changes that touched it; different sectors may be at different points (reordering) or all at the
 * same one. The length of the file is metadata and journaled in order: a prefix of the length
 * changes survives. A sector never shows bytes from before a surviving truncation, nor bytes
 * written after a truncation that did not survive. What was never written back in a file that grew
 * reads as zeros.
 */
import { assert } from "../../base/assert.ts";
import type { Random } from "../random.ts";

/** What a disk writes at once or not at all, unless the policy tears single bytes. */
export const SECTOR_BYTES = 512;

/** How much of the unsynced changes of a file survives a crash. */
export interface ContentPolicy {
  /** "keep": everything; "drop": nothing; "random": as the other two fields say. */
  readonly writes: "keep" | "drop" | "random";
  /** With "random": true lets each sector be at its own point in time; false cuts once. */
  readonly reorder: boolean;
  /** With "random": the sector at a cut may hold a mix of new and old bytes. */
  readonly tearBytes: boolean;
}

interface WriteChange {
  readonly kind: "write";
  readonly position: number;
  readonly data: Uint8Array;
}
interface LengthChange {
  readonly kind: "length";
  readonly length: number;
  readonly before: number;
}
type Change = WriteChange | LengthChange;

/**
 * Bytes with a length of their own; zeros beyond it, amortised growth. Images may share bytes: each
 * gets its own before it changes them.
 */
class Image {
  bytes: Uint8Array;
  length: number;
  #isShared = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.length = bytes.length;
  }

  /** Another image with the same bytes. */
  share(): Image {
    const other = new Image(this.bytes);
    other.length = this.length;
    other.#isShared = true;
    this.#isShared = true;
    return other;
  }

  #own(): void {
    if (!this.#isShared) return;
    this.bytes = Uint8Array.prototype.slice.call(this.bytes);
    this.#isShared = false;
  }

  apply(change: Change): void {
    if (change.kind === "length") this.setLength(change.length);
    else this.write(change.data, change.position);
  }

  write(data: Uint8Array, position: number): void {
    const end = position + data.length;
    if (end > this.length) this.setLength(end);
    this.#own();
    this.bytes.set(data, position);
  }

  setLength(length: number): void {
    if (length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(length, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
      this.#isShared = false;
    } else if (length < this.length) {
      this.#own();
      this.bytes.fill(0, length, this.length);
    }
    this.length = length;
  }

  view(from: number, to: number): Uint8Array {
    return this.bytes.subarray(Math.min(from, this.length), Math.min(to, this.length));
  }

  copy(): Uint8Array {
    return new Uint8Array(this.bytes.subarray(0, this.length));
  }
}

export class PageCacheFile {
  readonly mode: number;
  /** Directory entries plus open handles; at zero the space is free. */
  references = 0;
  readonly #now: Image;
  readonly #synced: Image;
  /** In order. A change leaves when it is known to be durable, or lost by a failed sync. */
  #pending: Change[] = [];
  readonly #locks = new Map<string, object>();

  constructor(mode: number, content: Image = new Image(new Uint8Array(0))) {
    this.mode = mode;
    this.#now = content;
    this.#synced = content.share();
  }

  get length(): number {
    return this.#now.length;
  }

  get pendingChanges(): number {
    return this.#pending.length;
  }

  /** A copy of what a reader sees. */
  content(): Uint8Array {
    return this.#now.copy();
  }

  read(target: Uint8Array, position: number): number {
    const found = this.#now.view(position, position + target.length);
    target.set(found);
    return found.length;
  }

  write(data: Uint8Array, position: number): void {
    if (data.length === 0) return;
    const end = position + data.length;
    if (end > this.#now.length) this.setLength(end);
    this.#now.write(data, position);
    this.#pending.push({ kind: "write", position, data: new Uint8Array(data) });
  }

  setLength(length: number): void {
    if (length === this.#now.length) return;
    this.#pending.push({ kind: "length", length, before: this.#now.length });
    this.#now.setLength(length);
  }

  /** The first `count` pending changes are durable. */
  markSynced(count: number): void {
    assert(count <= this.#pending.length, "synced more than was written");
    for (const change of this.#pending.splice(0, count)) this.#synced.apply(change);
  }

  /**
   * What Linux does when write-back fails: the sync reports it once, the pages count as clean
   * afterwards, readers still see them, and the platter never gets them.
   */
  loseUnsynced(): void {
    const before = this.#synced.length;
    const length = this.#now.length;
    this.#pending = length === before ? [] : [{ kind: "length", length, before }];
  }

  /** False when another handle holds this lock. */
  tryLock(kind: string, owner: object): boolean {
    const holder = this.#locks.get(kind);
    if (holder !== undefined && holder !== owner) return false;
    this.#locks.set(kind, owner);
    return true;
  }

  unlock(owner: object): void {
    for (const [kind, holder] of this.#locks) if (holder === owner) this.#locks.delete(kind);
  }

  unlockAll(): void {
    this.#locks.clear();
  }

  /** The file as a machine finds it after losing power now. Changes nothing here. */
  afterCrash(random: Random, policy: ContentPolicy): PageCacheFile {
    if (policy.writes === "keep") return new PageCacheFile(this.mode, this.#now.share());
    if (policy.writes === "drop" || this.#pending.length === 0) {
      return new PageCacheFile(this.mode, this.#synced.share());
    }
    const cut = random.below(this.#pending.length + 1);
    const survivor = policy.reorder
      ? this.#reordered(cut, random, policy.tearBytes)
      : this.#cutOnce(cut, random, policy.tearBytes);
    return new PageCacheFile(this.mode, new Image(survivor));
  }

  /** Changes before `cut` survive whole, the one at `cut` in part, later ones not at all. */
  #cutOnce(cut: number, random: Random, tearBytes: boolean): Uint8Array {
    const image = new Image(this.#synced.copy());
    for (const change of this.#pending.slice(0, cut)) image.apply(change);
    const torn = this.#pending[cut];
    if (torn?.kind !== "write") return image.copy();
    let keep = random.below(torn.data.length + 1);
    if (!tearBytes) {
      const edge = Math.floor((torn.position + keep) / SECTOR_BYTES) * SECTOR_BYTES;
      keep = Math.max(0, edge - torn.position);
    }
    image.write(torn.data.subarray(0, keep), torn.position);
    return image.copy();
  }

  /** Length changes survive up to `cut`; each sector picks its own point in time. */
  #reordered(cut: number, random: Random, tearBytes: boolean): Uint8Array {
    let length = this.#synced.length;
    this.#pending.forEach((change, i) => {
      if (change.kind === "length" && i < cut) length = change.length;
    });
    const image = new Uint8Array(length);
    image.set(this.#synced.view(0, length));
    for (const [sector, indexes] of this.#touchedSectors()) {
      const start = sector * SECTOR_BYTES;
      if (start >= length) continue;
      const [low, high] = survivableRange(this.#pending, indexes, cut);
      const point = low + random.below(high - low + 1);
      const before = this.#sectorAt(start, indexes.slice(0, Math.max(low, point - 1)));
      const after = this.#sectorAt(start, indexes.slice(0, point));
      const tear = tearBytes && random.below(2) === 0 ? random.below(SECTOR_BYTES) : SECTOR_BYTES;
      for (let i = 0; i < SECTOR_BYTES && start + i < length; i++) {
        image[start + i] = (i < tear ? after[i] : before[i]) ?? 0;
      }
    }
    return image;
  }

  /** Sector number to the ascending indexes of the pending changes that changed its bytes. */
  #touchedSectors(): Map<number, number[]> {
    const touched = new Map<number, number[]>();
    this.#pending.forEach((change, index) => {
      const [from, to] = changedRange(change);
      const last = Math.ceil(to / SECTOR_BYTES);
      for (let sector = Math.floor(from / SECTOR_BYTES); sector < last; sector++) {
        const indexes = touched.get(sector);
        if (indexes === undefined) touched.set(sector, [index]);
        else indexes.push(index);
      }
    });
    return touched;
  }

  #sectorAt(start: number, indexes: readonly number[]): Uint8Array {
    const sector = new Uint8Array(SECTOR_BYTES);
    sector.set(this.#synced.view(start, start + SECTOR_BYTES));
    for (const index of indexes) {
      const change = this.#pending[index];
      if (change?.kind === "write") {
        const from = Math.max(start, change.position);
        const to = Math.min(start + SECTOR_BYTES, change.position + change.data.length);
        const data = change.data.subarray(from - change.position, to - change.position);
        sector.set(data, from - start);
      } else if (change !== undefined) {
        sector.fill(0, Math.max(0, Math.min(SECTOR_BYTES, change.length - start)));
      }
    }
    return sector;
  }
}

/**
 * How many of the changes to one sector may have reached the platter: at least up to the last
 * truncation that survives (before `cut`), at most up to the first one that does not.
 */
function survivableRange(
  pending: readonly Change[],
  indexes: readonly number[],
  cut: number,
): [low: number, high: number] {
  let low = 0;
  for (let i = 0; i < indexes.length; i++) {
    const index = indexes[i] ?? 0;
    if (pending[index]?.kind !== "length") continue;
    if (index >= cut) return [low, i];
    low = i + 1;
  }
  return [low, indexes.length];
}

/** Growing changes no byte: what lies beyond the length is zero already. */
function changedRange(change: Change): [from: number, to: number] {
  if (change.kind === "write") return [change.position, change.position + change.data.length];
  return [change.length, Math.max(change.length, change.before)];
}
