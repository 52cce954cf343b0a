/**
 * A large answer on the thread of its connection. The main thread makes its pieces; a few are under
 * way, so that the next is there as a rule when the client has taken one.
 */
import type { ReplySource } from "../../src/env/rpc.ts";
import type { Link } from "./link.ts";
import { type RecordReader, TO_FRONT, TO_MAIN } from "./records.ts";

export class PassedSource implements ReplySource {
  readonly bytes: number;
  readonly heldBytes: number;
  onReady: (() => void) | undefined;
  readonly #slot: number;
  readonly #link: Link;
  readonly #pieces: Buffer[] = [];
  #hasEnded = false;
  #failure: Error | undefined;
  #isClosed = false;

  /** From the record that announces it. */
  constructor(record: RecordReader, link: Link) {
    this.#slot = record.slot;
    this.bytes = record.f64();
    this.heldBytes = record.f64();
    this.#link = link;
  }

  get isReady(): boolean {
    return this.#pieces.length > 0 || this.#hasEnded;
  }

  next(): Uint8Array | undefined {
    const piece = this.#pieces.shift();
    if (piece !== undefined) {
      if (!this.#hasEnded) {
        this.#link.out.begin(TO_MAIN.pieceTaken, this.#slot);
        this.#link.out.u32(piece.length);
        this.#link.flushSoon();
      }
      return piece;
    }
    if (this.#failure !== undefined) throw this.#failure;
    return undefined;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#pieces.length = 0;
    if (this.#hasEnded) return;
    this.#link.out.begin(TO_MAIN.closeSource, this.#slot);
    this.#link.flushSoon();
  }

  /** A record about it; true when it is the last. */
  receive(record: RecordReader): boolean {
    if (record.kind === TO_FRONT.piece) {
      const piece = record.bytes();
      if (this.#isClosed) return false;
      this.#pieces.push(piece);
    } else {
      this.#hasEnded = true;
      if (record.kind === TO_FRONT.sourceFail) this.#failure = new Error(record.text());
      if (this.#isClosed) return true;
    }
    this.onReady?.();
    return this.#hasEnded;
  }
}
