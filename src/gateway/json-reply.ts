/** Sends a large message as JSON piece by piece, each when the client has taken the one before. */
import type { MessageType } from "../api/message-type.ts";
import type { Clock, Timer } from "../env/clock.ts";
import type { HttpResponse } from "../env/http.ts";
import type { ReplySource } from "../env/rpc.ts";
import { JsonPieces } from "./json-encode.ts";

/** A client that takes longer is left: the answer pins a revision of the store. */
const MAX_JSON_REPLY_MS = 600_000;

export class JsonReply {
  readonly #response: HttpResponse;
  readonly #source: ReplySource;
  readonly #type: MessageType<unknown>;
  readonly #json: JsonPieces;
  readonly #timer: Timer;
  #closed = false;

  /** Takes over the response, whose head has been sent. */
  constructor(
    response: HttpResponse,
    source: ReplySource,
    type: MessageType<unknown>,
    clock: Clock,
  ) {
    this.#response = response;
    this.#source = source;
    this.#type = type;
    this.#json = new JsonPieces(type);
    this.#timer = clock.setTimer(MAX_JSON_REPLY_MS, () => this.#giveUp());
    response.onDrain = () => this.send();
    response.onClose = () => this.#close();
  }

  send(): void {
    try {
      for (let writable = true; writable && !this.#closed; ) writable = this.#sendPiece();
    } catch {
      // The head has promised an answer, so the client must see that this is none.
      this.#giveUp();
    }
  }

  /** False when the client must take something first. */
  #sendPiece(): boolean {
    const piece = this.#source.next();
    if (piece === undefined) {
      this.#close();
      this.#response.end(this.#json.end());
      return false;
    }
    return this.#response.write(this.#json.add(this.#type.decode(piece)));
  }

  #giveUp(): void {
    this.#close();
    this.#response.abort();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer.cancel();
    this.#source.close();
  }
}
