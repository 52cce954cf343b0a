/**
 * A fingerprint of everything that happened in a run, in order. Two runs of one seed must have the
 * same one; the lines, if kept, show where they part.
 */

export class Trace {
  /** Undefined: only the fingerprint is kept. */
  lines: string[] | undefined;
  #low = 0x811c9dc5;
  #high = 0x9747b28c;
  readonly #words = new Map<string, number>();

  number(value: number): void {
    const whole = Math.trunc(value);
    this.#mix(whole | 0);
    // Fractions of time matter too.
    this.#mix(((value - whole) * 2 ** 32) | 0);
  }

  /** For words of a small vocabulary: each is hashed once. */
  word(text: string): void {
    let hash = this.#words.get(text);
    if (hash === undefined) {
      hash = 0x811c9dc5;
      for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
      this.#words.set(text, hash);
    }
    this.#mix(hash);
  }

  bytes(data: Uint8Array): void {
    this.#mix(data.length);
    for (let i = 0; i < data.length; i++)
      this.#low = Math.imul(this.#low ^ (data[i] ?? 0), 16777619);
    this.#mix(0);
  }

  line(make: () => string): void {
    this.lines?.push(make());
  }

  get digest(): string {
    const hex = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
    return hex(this.#high) + hex(this.#low);
  }

  #mix(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 16777619);
    this.#high = Math.imul(this.#high ^ (this.#low >>> 15) ^ word, 0x85ebca6b);
    this.#low ^= this.#high >>> 13;
  }
}
