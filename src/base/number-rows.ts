/**
 * Rows of a few numbers outside of the heap, one behind the other. They lie in chunks, so that a
 * long list grows without being copied.
 */

/** Rows of the first chunk; it grows to a full one by doubling. */
const FIRST_ROWS = 64;
const CHUNK_BITS = 12;
const CHUNK_ROWS = 1 << CHUNK_BITS;

export class NumberRows {
  readonly #fields: number;
  #chunks: Float64Array[] = [];
  #length = 0;

  constructor(fields: number) {
    this.#fields = fields;
  }

  get length(): number {
    return this.#length;
  }

  get(row: number, field: number): number {
    const chunk = this.#chunks[row >>> CHUNK_BITS] as Float64Array;
    return chunk[(row & (CHUNK_ROWS - 1)) * this.#fields + field] as number;
  }

  set(row: number, field: number, value: number): void {
    const chunk = this.#chunks[row >>> CHUNK_BITS] as Float64Array;
    chunk[(row & (CHUNK_ROWS - 1)) * this.#fields + field] = value;
  }

  /** Adds a row of zeros; returns its number. */
  add(): number {
    const row = this.#length++;
    if (row >= CHUNK_ROWS && (row & (CHUNK_ROWS - 1)) === 0) this.#addChunk(CHUNK_ROWS);
    else if (row === 0) this.#addChunk(FIRST_ROWS);
    else if (row < CHUNK_ROWS && row * this.#fields === this.#chunks[0]?.length) this.#growFirst();
    return row;
  }

  #addChunk(rows: number): void {
    this.#chunks.push(new Float64Array(rows * this.#fields));
  }

  #growFirst(): void {
    const first = this.#chunks[0] as Float64Array;
    const grown = new Float64Array(first.length * 2);
    grown.set(first);
    this.#chunks[0] = grown;
  }
}
