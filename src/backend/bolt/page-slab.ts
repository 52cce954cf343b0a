/**
 * Memory that several pages of one commit share: one allocation, and one chunk when they are
 * written. A slab lives as long as any of its pages, so the cache counts it whole and moves the
 * rest out when few are left.
 */

export class PageSlab {
  readonly memory: Buffer;
  /** Bytes handed out so far. */
  usedBytes = 0;
  /** Of pages that the cache keeps. */
  cachedBytes = 0;
  /** Pages cut from it. */
  readonly ids: number[] = [];

  constructor(bytes: number) {
    this.memory = Buffer.allocUnsafeSlow(bytes);
  }

  get bytes(): number {
    return this.memory.length;
  }

  get freeBytes(): number {
    return this.memory.length - this.usedBytes;
  }

  /** The next `bytes` of it, for page `id`. */
  take(id: number, bytes: number): Buffer {
    const start = this.usedBytes;
    this.usedBytes += bytes;
    this.ids.push(id);
    return this.memory.subarray(start, start + bytes);
  }
}
