/**
 * Which pages may be reused. A bitmap holds the free ones; pages freed by a transaction wait, by
 * txid, until that transaction is durable and no open view is older than it.
 *
 * Invariants: a page is free, pending or in use, never two of them. `freeCount` is the number of
 * set bits; `#lowest` is not above the first set bit.
 */

import { assert } from "../../base/assert.ts";

/** Pages that one transaction freed and that nobody may reuse yet. */
interface PendingPages {
  readonly txid: number;
  ids: number[];
  /** By index of `ids`: the transaction that took the page, 0 when it is not known. */
  takenBy: number[];
  /** The transaction is durable and its pages were compared with the open views. */
  examined: boolean;
}

export class Freelist {
  #bits = new Uint32Array(1024);
  #freeCount = 0;
  #pendingCount = 0;
  #lowest = 0;
  /** No run of `#runPages` pages begins below `#runFrom`. */
  #runPages = 0;
  #runFrom = 0;
  /** Ascending by txid. */
  #pending: PendingPages[] = [];
  /** Who took a page (the first of a run); kept only while views are open. */
  readonly #takenBy = new Map<number, number>();

  get freeCount(): number {
    return this.#freeCount;
  }

  get pendingCount(): number {
    return this.#pendingCount;
  }

  isFree(id: number): boolean {
    const word = id >>> 5;
    return word < this.#bits.length && ((this.#bits[word] as number) & (1 << (id & 31))) !== 0;
  }

  /** Marks pages [id, id + count) as free. */
  add(id: number, count = 1): void {
    this.#reserve(id + count);
    for (let page = id; page < id + count; page++) {
      const word = page >>> 5;
      const bit = 1 << (page & 31);
      assert(((this.#bits[word] as number) & bit) === 0, `page ${page} is freed twice`);
      this.#bits[word] = (this.#bits[word] as number) | bit;
    }
    this.#freeCount += count;
    if (id < this.#lowest) this.#lowest = id;
    this.#runPages = 0;
  }

  /** Remembers that `txid` took the run at `id`, so that it can be reused early after `free`. */
  recordTaken(id: number, txid: number): void {
    this.#takenBy.set(id, txid);
  }

  /** Takes `count` adjacent pages at the lowest possible place; -1 when there are none. */
  allocate(count: number): number {
    if (this.#freeCount < count) return -1;
    const id = count === 1 ? this.#findOne() : this.#findRun(count);
    if (id < 0) return -1;
    for (let page = id; page < id + count; page++) {
      this.#bits[page >>> 5] = (this.#bits[page >>> 5] as number) & ~(1 << (page & 31));
    }
    this.#freeCount -= count;
    if (count === 1) this.#lowest = id + 1;
    else this.#runFrom = id + count;
    return id;
  }

  /** Frees pages [id, id + count) once `txid` is durable and no view needs them (`release`). */
  free(txid: number, id: number, count: number): void {
    assert(id >= 2, `page ${id} cannot be freed`);
    let last = this.#pending.at(-1);
    if (last === undefined || last.txid !== txid) {
      assert(last === undefined || last.txid < txid, "pages are freed by an older transaction");
      last = { txid, ids: [], takenBy: [], examined: false };
      this.#pending.push(last);
    }
    const takenBy = this.#takenBy.get(id) ?? 0;
    this.#takenBy.delete(id);
    for (let page = id; page < id + count; page++) {
      assert(!this.isFree(page), `page ${page} is freed twice`);
      last.ids.push(page);
      last.takenBy.push(takenBy);
    }
    this.#pendingCount += count;
  }

  /**
   * Makes pages available that no tree needs any more; returns them. Everything freed so far must
   * be by durable transactions. `views` are the txids of the open views, ascending: the view of
   * transaction V needs a page that was taken at or before V and freed after V.
   */
  release(views: readonly number[]): readonly number[] {
    const released: number[] = [];
    const oldest = views[0] ?? Number.POSITIVE_INFINITY;
    if (views.length === 0) this.#takenBy.clear();
    const waiting: PendingPages[] = [];
    for (const pending of this.#pending) {
      if (pending.txid <= oldest) for (const id of pending.ids) released.push(id);
      else if (this.#examine(pending, views, released)) waiting.push(pending);
    }
    this.#pending = waiting;
    this.#pendingCount -= released.length;
    for (const id of released) this.add(id);
    return released;
  }

  /** Moves what no view needs to `released`; false when nothing is left. */
  #examine(pending: PendingPages, views: readonly number[], released: number[]): boolean {
    if (pending.examined) return true;
    const { ids, takenBy, txid } = pending;
    pending.examined = true;
    pending.ids = [];
    pending.takenBy = [];
    for (const [at, id] of ids.entries()) {
      const taken = takenBy[at] as number;
      if (views.some((view) => taken <= view && view < txid)) pending.ids.push(id);
      else released.push(id);
    }
    return pending.ids.length > 0;
  }

  /** All free and pending ids, ascending. */
  listAll(): number[] {
    const ids: number[] = [];
    for (let word = 0; word < this.#bits.length; word++) {
      let rest = this.#bits[word] as number;
      while (rest !== 0) {
        const bit = 31 - Math.clz32(rest & -rest);
        ids.push(word * 32 + bit);
        rest &= rest - 1;
      }
    }
    for (const pending of this.#pending) for (const id of pending.ids) ids.push(id);
    return ids.sort((a, b) => a - b);
  }

  #findOne(): number {
    const bits = this.#bits;
    let word = this.#lowest >>> 5;
    let masked = (bits[word] as number) & (-1 << (this.#lowest & 31));
    while (masked === 0) {
      word++;
      if (word >= bits.length) return -1;
      masked = bits[word] as number;
    }
    return word * 32 + 31 - Math.clz32(masked & -masked);
  }

  #findRun(count: number): number {
    if (this.#runPages === 0 || count < this.#runPages) this.#runFrom = this.#lowest;
    this.#runPages = count;
    const end = this.#bits.length * 32;
    let length = 0;
    for (let id = this.#runFrom; id < end; ) {
      if ((id & 31) === 0 && this.#bits[id >>> 5] === 0) {
        length = 0;
        id += 32;
        continue;
      }
      length = this.isFree(id) ? length + 1 : 0;
      id++;
      if (length === count) return id - count;
    }
    this.#runFrom = end;
    return -1;
  }

  #reserve(pages: number): void {
    if (pages <= this.#bits.length * 32) return;
    const grown = new Uint32Array(Math.max(this.#bits.length * 2, (pages >>> 5) + 1));
    grown.set(this.#bits);
    this.#bits = grown;
  }
}
