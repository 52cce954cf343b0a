/**
 * Values by number, for many that come and go. A `Map` makes itself a new table after as many
 * removals as it has entries. The old one is garbage, but refers to the new one and to what it had
 * itself; where it is old enough, collections of the young generation keep all of that alive.
 *
 * A table with open addressing, changed in place. It never shrinks.
 */

const FIRST_SLOTS = 16;
/** No key: keys are integers. */
const FREE = Number.NaN;
/** Spreads keys that differ in their low bits, and sends neighbours to different places (Knuth). */
const MULTIPLIER = 0x9e3779b1;

export class IdTable<T> {
  #keys: Float64Array = new Float64Array(FIRST_SLOTS).fill(FREE);
  #values: (T | undefined)[] = new Array(FIRST_SLOTS).fill(undefined);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: number): T | undefined {
    const slot = this.#slotOf(key);
    return this.#keys[slot] === key ? this.#values[slot] : undefined;
  }

  set(key: number, value: T): void {
    let slot = this.#slotOf(key);
    if (this.#keys[slot] !== key) {
      if (2 * this.#size >= this.#values.length) {
        this.#grow();
        slot = this.#slotOf(key);
      }
      this.#keys[slot] = key;
      this.#size++;
    }
    this.#values[slot] = value;
  }

  /** False if it is not there. */
  delete(key: number): boolean {
    let hole = this.#slotOf(key);
    const keys = this.#keys;
    if (keys[hole] !== key) return false;
    this.#size--;
    const values = this.#values;
    const mask = values.length - 1;
    // What stands behind moves up where its search would end at the hole.
    for (let slot = (hole + 1) & mask; !isFree(keys[slot]); slot = (slot + 1) & mask) {
      const home = this.#homeOf(keys[slot] as number);
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      keys[hole] = keys[slot] as number;
      values[hole] = values[slot];
      hole = slot;
    }
    keys[hole] = FREE;
    values[hole] = undefined;
    return true;
  }

  /** In any order. */
  values(): T[] {
    const found: T[] = [];
    for (const [slot, key] of this.#keys.entries()) {
      if (!isFree(key)) found.push(this.#values[slot] as T);
    }
    return found;
  }

  clear(): void {
    this.#keys.fill(FREE);
    this.#values.fill(undefined);
    this.#size = 0;
  }

  /** Where the key is, or belongs. */
  #slotOf(key: number): number {
    const keys = this.#keys;
    const mask = this.#values.length - 1;
    let slot = this.#homeOf(key);
    while (keys[slot] !== key && !isFree(keys[slot])) slot = (slot + 1) & mask;
    return slot;
  }

  #homeOf(key: number): number {
    return (Math.imul(key, MULTIPLIER) >>> 8) & (this.#values.length - 1);
  }

  #grow(): void {
    const keys = this.#keys;
    const values = this.#values;
    this.#keys = new Float64Array(2 * values.length).fill(FREE);
    this.#values = new Array(2 * values.length).fill(undefined);
    this.#size = 0;
    for (const [slot, key] of keys.entries()) {
      if (!isFree(key)) this.set(key, values[slot] as T);
    }
  }
}

function isFree(key: number | undefined): boolean {
  // NaN is the one number that differs from itself.
  return Number.isNaN(key);
}
