/**
 * Streams with waiting data take turns, one frame each, so that a large range does not hold up a
 * watch.
 */
import type { Http2Stream } from "./stream.ts";

/** Who sends for the streams. */
export interface TurnTaker {
  /** The output takes more. */
  readonly mayGo: boolean;
  /** Sends one frame of a stream's queue; false when the connection's window does not allow it. */
  sendOne(stream: Http2Stream): boolean;
}

/** Turns that have been taken are cut off from this many on. */
const COMPACT_STREAMS = 1024;

export class SendTurns {
  #ready: Http2Stream[] = [];
  #head = 0;

  /** Some stream has a turn to come. */
  get waiting(): boolean {
    return this.#ready.length > this.#head;
  }

  /** Puts a stream at the end, if it has something that its own window lets go. */
  add(stream: Http2Stream): boolean {
    if (!stream.joinTurns()) return false;
    this.#ready.push(stream);
    return true;
  }

  /** Gives turns until nobody can send. */
  run(taker: TurnTaker): void {
    let stuck = 0;
    while (this.#head + stuck < this.#ready.length && taker.mayGo) {
      const stream = this.#ready[this.#head] as Http2Stream;
      this.#head += 1;
      if (!stream.sendable) {
        stream.leaveTurns();
      } else if (taker.sendOne(stream)) {
        if (stream.sendable) this.#ready.push(stream);
        else stream.leaveTurns();
        stuck = 0;
      } else {
        // The connection's window is closed for this one; others may only have headers to send.
        this.#ready.push(stream);
        stuck += 1;
      }
      if (this.#head > COMPACT_STREAMS && this.#head * 2 > this.#ready.length) this.#compact();
    }
    if (this.#head > 0 && this.#head === this.#ready.length) this.#compact();
  }

  #compact(): void {
    this.#ready = this.#ready.slice(this.#head);
    this.#head = 0;
  }
}
