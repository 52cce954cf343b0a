/**
 * Chunks of a stream in, runs of exactly `n` bytes out. A run inside one chunk is a view of it; one
 * that straddles chunks is copied into a buffer of its own, so that no byte is copied twice. Memory
 * is taken for bytes that have arrived, never for a length that was only announced.
 */
import { viewAsBuffer } from "../../base/bytes.ts";

const NOTHING: Buffer = Buffer.alloc(0);

export class ByteFeed {
  /** Where the run of the last successful `take` lies. */
  buffer: Buffer = NOTHING;
  start = 0;
  #chunk: Buffer = NOTHING;
  #at = 0;
  /** Chunks behind `#chunk`, in order, and their bytes. */
  #later: Buffer[] = [];
  #laterBytes = 0;

  /** Takes ownership. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#at === this.#chunk.length) {
      this.#chunk = viewAsBuffer(chunk);
      this.#at = 0;
    } else {
      this.#later.push(viewAsBuffer(chunk));
      this.#laterBytes += chunk.length;
    }
  }

  /** Bytes that have not been taken. */
  get available(): number {
    return this.#chunk.length - this.#at + this.#laterBytes;
  }

  /** Length of the chunk that holds the last run: what a view of it keeps in memory. */
  get heldBytes(): number {
    return this.buffer.length;
  }

  /** The next `n` bytes at `buffer[start]`; false, and nothing taken, when they are not there. */
  take(n: number): boolean {
    const at = this.#at;
    if (this.#chunk.length - at >= n) {
      this.buffer = this.#chunk;
      this.start = at;
      this.#at = at + n;
      if (this.#at === this.#chunk.length) this.#next();
      return true;
    }
    if (this.available < n) return false;
    this.#gather(n);
    return true;
  }

  /** What has not been taken, as chunks; the feed is empty afterwards. */
  drain(): Uint8Array[] {
    const rest = [this.#chunk.subarray(this.#at), ...this.#later];
    this.#chunk = NOTHING;
    this.#at = 0;
    this.#later = [];
    this.#laterBytes = 0;
    return rest.filter((chunk) => chunk.length > 0);
  }

  #gather(n: number): void {
    const run = Buffer.allocUnsafe(n);
    let done = this.#chunk.copy(run, 0, this.#at);
    let used = 0;
    while (done < n) {
      const chunk = this.#later[used++] as Buffer;
      const copied = chunk.copy(run, done, 0, Math.min(chunk.length, n - done));
      done += copied;
      this.#laterBytes -= chunk.length;
      this.#chunk = chunk;
      this.#at = copied;
    }
    this.#later.splice(0, used);
    if (this.#at === this.#chunk.length) this.#next();
    this.buffer = run;
    this.start = 0;
  }

  #next(): void {
    const next = this.#later.shift();
    this.#chunk = next ?? NOTHING;
    this.#at = 0;
    if (next !== undefined) this.#laterBytes -= next.length;
  }
}
