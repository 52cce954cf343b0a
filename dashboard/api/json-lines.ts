/** A stream of the JSON API is one JSON value a line; chunks of the network end anywhere. */
export class JsonLines {
  readonly #decoder = new TextDecoder();
  #rest: string[] = [];

  /** The values that are whole with this chunk. */
  push(chunk: Uint8Array): unknown[] {
    const text = this.#decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf("\n");
    if (end < 0) {
      this.#rest.push(text);
      return [];
    }
    const whole = this.#rest.join("") + text.slice(0, end);
    this.#rest = [text.slice(end + 1)];
    return whole
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
  }
}
