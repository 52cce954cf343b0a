/**
 * Bytes on their way to a socket. Small writes are copied into slabs, so that the frames of one
 * turn leave as one buffer; large bodies are kept by reference.
 */

const SLAB_BYTES = 16_384;
/** For bodies: eight frames of the largest size, and what may stand around them. */
const LARGE_SLAB_BYTES = 132_168;
/** Slabs kept for the next turn; idle connections hold none. */
const POOLED_SLABS = 256;
const POOLED_LARGE_SLABS = 16;
/** From this size on a reference is cheaper than a copy. */
const REFERENCE_BYTES = 8_192;

const pool: Buffer[] = [];
const largePool: Buffer[] = [];
const NO_SLAB = Buffer.alloc(0);

export class OutputQueue {
  #slab: Buffer = NO_SLAB;
  #end = 0;
  #sealed: Uint8Array[] = [];
  #sealedBytes = 0;
  #start = 0;
  /** Slabs before the open one that have output in them, until `recycle`. */
  #full: Buffer[] = [];

  /** Bytes not yet taken. */
  get bytes(): number {
    return this.#sealedBytes + this.#end - this.#start;
  }

  /** The open slab, where `claim` gave room. */
  get slab(): Buffer {
    return this.#slab;
  }

  /** Bytes that the open slab has left. */
  get room(): number {
    return this.#slab.length - this.#end;
  }

  /** Appends `count` bytes to the open slab, for the caller to fill; returns where they begin. */
  claim(count: number): number {
    if (this.#slab.length - this.#end < count) this.#open(count);
    const at = this.#end;
    this.#end = at + count;
    return at;
  }

  /** Makes room so that the next `count` bytes lie in the open slab. */
  makeRoom(count: number): void {
    if (this.#slab.length - this.#end < count) this.#open(Math.max(count, LARGE_SLAB_BYTES));
  }

  /** Gives back the end of what was claimed last. */
  giveBack(count: number): void {
    this.#end -= count;
  }

  /** Copies, or for large pieces keeps the reference. */
  append(bytes: Uint8Array): void {
    if (bytes.length < REFERENCE_BYTES) {
      const at = this.claim(bytes.length);
      this.#slab.set(bytes, at);
    } else {
      this.#seal();
      this.#sealed.push(bytes);
      this.#sealedBytes += bytes.length;
    }
  }

  /**
   * All pieces in order, leaving the queue empty. The caller hands them to the socket and then
   * calls `recycle` with whether the memory is free again.
   */
  take(): Uint8Array[] {
    this.#seal();
    const pieces = this.#sealed;
    this.#sealed = [];
    this.#sealedBytes = 0;
    return pieces;
  }

  /** After `take`: `written` says that the kernel has copied every piece. */
  recycle(written: boolean): void {
    if (written) {
      keep(this.#slab);
      for (const slab of this.#full) keep(slab);
    }
    if (this.#full.length > 0) this.#full = [];
    this.#slab = NO_SLAB;
    this.#start = 0;
    this.#end = 0;
  }

  #seal(): void {
    if (this.#end > this.#start) {
      this.#sealed.push(this.#slab.subarray(this.#start, this.#end));
      this.#sealedBytes += this.#end - this.#start;
      this.#start = this.#end;
    }
  }

  #open(count: number): void {
    this.#seal();
    if (this.#slab !== NO_SLAB) this.#full.push(this.#slab);
    if (count <= SLAB_BYTES) this.#slab = pool.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    else if (count > LARGE_SLAB_BYTES) this.#slab = Buffer.allocUnsafeSlow(count);
    else this.#slab = largePool.pop() ?? Buffer.allocUnsafeSlow(LARGE_SLAB_BYTES);
    this.#start = 0;
    this.#end = 0;
  }
}

function keep(slab: Buffer): void {
  if (slab.length === SLAB_BYTES) {
    if (pool.length < POOLED_SLABS) pool.push(slab);
  } else if (slab.length === LARGE_SLAB_BYTES && largePool.length < POOLED_LARGE_SLABS) {
    largePool.push(slab);
  }
}
