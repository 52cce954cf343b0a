/** A large answer to a call of another thread: the next piece is made as the client takes them. */
import type { ReplySource } from "../../src/env/rpc.ts";
import { errorMessage } from "../../src/base/error-message.ts";
import { type Desk, sayGone } from "./desk.ts";
import { type RecordReader, TO_FRONT, TO_MAIN } from "./records.ts";

/** Pieces under way are no more than this and one piece: two of a range's. */
export const WINDOW_BYTES = 262_144;

export class DeskSource {
  readonly #desk: Desk;
  readonly #slot: number;
  readonly #source: ReplySource;
  #untakenBytes = 0;
  #isClosed = false;

  constructor(desk: Desk, slot: number, source: ReplySource) {
    this.#desk = desk;
    this.#slot = slot;
    this.#source = source;
  }

  fill(): void {
    const { out } = this.#desk.link;
    try {
      while (!this.#isClosed && this.#untakenBytes <= WINDOW_BYTES) {
        const piece = this.#source.next();
        if (piece === undefined) {
          this.#end(TO_FRONT.sourceEnd);
          return;
        }
        this.#untakenBytes += piece.length;
        out.begin(TO_FRONT.piece, this.#slot);
        out.bytes(piece);
      }
    } catch (error) {
      this.#end(TO_FRONT.sourceFail);
      out.text(errorMessage(error));
    }
    this.#desk.link.flushSoon();
  }

  receive(records: RecordReader): void {
    if (records.kind === TO_MAIN.pieceTaken) {
      this.#untakenBytes -= records.u32();
      this.fill();
    } else if (records.kind === TO_MAIN.closeSource) {
      this.#close();
      sayGone(this.#desk.link, this.#slot);
    }
  }

  /** The thread of the connection has ended. */
  cancel(): void {
    this.#close();
  }

  #end(kind: number): void {
    this.#close();
    this.#desk.link.out.begin(kind, this.#slot);
    this.#desk.link.flushSoon();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#desk.leave(this.#slot);
    this.#source.close();
  }
}
