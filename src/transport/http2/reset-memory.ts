/** Streams that this side has reset: late frames of the peer on them are no breach. */

/** Reset streams whose late frames a server still forgives. A client forgives all, as grpc-go. */
const REMEMBERED_RESETS = 1_024;

export class ResetMemory {
  readonly #ids = new Set<number>();

  add(id: number): void {
    this.#ids.add(id);
    if (this.#ids.size <= REMEMBERED_RESETS) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      break;
    }
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** The peer has seen that the stream is over: frames after that are no late frames. */
  forget(id: number): void {
    this.#ids.delete(id);
  }
}
