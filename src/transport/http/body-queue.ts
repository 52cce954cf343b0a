/** A request body between the transport and its one reader, bounded by pausing the sender. */
import { HttpBodyTooLarge } from "../../env/http.ts";
import { HTTP_BODY_BUFFER_BYTES } from "../limits.ts";

export interface BodySource {
  pauseBody(): void;
  resumeBody(): void;
}

export class BodyQueue {
  readonly #source: BodySource;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #ended = false;
  #error: Error | undefined;
  #paused = false;
  #wake: (() => void) | undefined;

  constructor(source: BodySource) {
    this.#source = source;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Takes ownership. */
  push(chunk: Uint8Array): void {
    if (this.#ended) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > HTTP_BODY_BUFFER_BYTES && !this.#paused) {
      this.#paused = true;
      this.#source.pauseBody();
    }
    this.#wakeReader();
  }

  end(): void {
    this.#ended = true;
    this.#wakeReader();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.end();
  }

  async readAll(limitBytes: number): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of this.chunks()) {
      bytes += chunk.length;
      if (bytes > limitBytes) throw new HttpBodyTooLarge(limitBytes);
      parts.push(chunk);
    }
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts);
  }

  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.length;
        if (this.#paused && this.#bytes <= HTTP_BODY_BUFFER_BYTES / 2) {
          this.#paused = false;
          this.#source.resumeBody();
        }
        yield chunk;
      } else if (this.#error !== undefined) {
        throw this.#error;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
