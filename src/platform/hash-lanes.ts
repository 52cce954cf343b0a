/**
 * Passwords that wait to be hashed, in lanes that have turns: who fills one lane holds up nobody in
 * another. When all lanes together are full, a newcomer takes the place of the last of the longest
 * lane, unless that is its own.
 */

export class HashLanes<T> {
  readonly #maxWaiting: number;
  /** In the order of their turns; none is empty. */
  readonly #lanes = new Map<string, T[]>();
  #waiting = 0;

  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  get isEmpty(): boolean {
    return this.#waiting === 0;
  }

  /** Takes `task` in, and returns who is sent away for it: another, or itself; undefined: nobody. */
  add(name: string, task: T): T | undefined {
    let sentAway: T | undefined;
    if (this.#waiting >= this.#maxWaiting) {
      sentAway = this.#dropFromLongest(name);
      if (sentAway === undefined) return task;
    }
    const lane = this.#lanes.get(name);
    if (lane === undefined) this.#lanes.set(name, [task]);
    else lane.push(task);
    this.#waiting++;
    return sentAway;
  }

  /** The next by turns. */
  take(): T | undefined {
    for (const [name, lane] of this.#lanes) {
      this.#lanes.delete(name);
      const task = lane.shift();
      if (lane.length > 0) this.#lanes.set(name, lane);
      this.#waiting--;
      return task;
    }
    return undefined;
  }

  /** The last task of the longest lane, if that is longer than the lane of this name would be. */
  #dropFromLongest(name: string): T | undefined {
    const lengthWithOneMore = (this.#lanes.get(name)?.length ?? 0) + 1;
    let longest: T[] = [];
    for (const lane of this.#lanes.values()) if (lane.length > longest.length) longest = lane;
    if (longest.length <= lengthWithOneMore) return undefined;
    this.#waiting--;
    return longest.pop();
  }
}
