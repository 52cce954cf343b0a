/**
 * One HTTP/1.1 answer out of whatever chunks its bytes come in (RFC 9112): the head, then the body
 * freed of its framing. For the long answers of streams, on which node:http costs more than what they carry.
 *
 * Invariants: a body is whole or cut, never silently shorter; what is no answer throws, and nothing may
 * be pushed afterwards. Bytes of a body are lent: they are views of what was pushed.
 */
import { assert } from "../../base/assert.ts";
import { MAX_ANSWER_HEAD_BYTES, MAX_CHUNK_LINE_BYTES } from "./limits.ts";

export interface AnswerHead {
  readonly status: number;
  /** Names in lower case; what came several times is joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
}

export interface AnswerEvents {
  onHead(head: AnswerHead): void;
  /** Lends the next bytes of the body. */
  onBody(bytes: Buffer): void;
  /** The body is whole. */
  onWhole(): void;
}

export class AnswerError extends Error {
  constructor(what: string) {
    super(`malformed HTTP response: ${what}`);
    this.name = "AnswerError";
  }
}

/** What is due next. "rest" is a body that ends with the connection. */
type Due =
  | "head"
  | "size"
  | "extension"
  | "data"
  | "dataEnd"
  | "trailer"
  | "sized"
  | "rest"
  | "over";

const CR = 0x0d;
const LF = 0x0a;
const NOTHING: Buffer = Buffer.alloc(0);

export class AnswerReader {
  readonly #events: AnswerEvents;
  #due: Due = "head";
  #head: Buffer = NOTHING;
  /** Of the chunk, or of the body, that have not come yet. */
  #leftBytes = 0;
  /** Of the line that is due: of a size, or of the trailer. */
  #lineBytes = 0;

  constructor(events: AnswerEvents) {
    this.#events = events;
  }

  /** Nothing more is wanted, not even of what is being pushed. */
  stop(): void {
    this.#due = "over";
  }

  /** @throws AnswerError */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#due) {
        case "head":
          at = this.#readHead(bytes, at);
          break;
        case "size":
          this.#readSize(bytes[at++] as number);
          break;
        case "extension":
          this.#readExtension(bytes[at++] as number);
          break;
        case "data":
        case "sized":
        case "rest":
          at = this.#readData(bytes, at);
          break;
        case "dataEnd":
          this.#readDataEnd(bytes[at++] as number);
          break;
        case "trailer":
          this.#readTrailer(bytes[at++] as number);
          break;
        case "over":
          return;
      }
    }
  }

  /** The connection has ended. False when it has cut the answer. */
  ended(): boolean {
    if (this.#due === "rest") this.#whole();
    return this.#due === "over";
  }

  #readHead(bytes: Buffer, at: number): number {
    const known = this.#head.length;
    const room = MAX_ANSWER_HEAD_BYTES - known;
    const head = Buffer.concat([this.#head, bytes.subarray(at, at + room)]);
    // The four bytes at its end may straddle what was pushed.
    const end = head.indexOf("\r\n\r\n", Math.max(0, known - 3), "latin1");
    if (end < 0) {
      if (head.length === MAX_ANSWER_HEAD_BYTES) throw new AnswerError("head is too long");
      this.#head = head;
      return bytes.length;
    }
    this.#head = NOTHING;
    this.#begin(parseHead(head.latin1Slice(0, end)));
    return at + end + 4 - known;
  }

  #begin(head: AnswerHead): void {
    const { status, headers } = head;
    // Another head follows; a switch of protocols was not asked for.
    if (status < 200 && status !== 101) return;
    const coding = headers["transfer-encoding"];
    const length = headers["content-length"];
    if (coding !== undefined) {
      if (coding.toLowerCase() !== "chunked" || length !== undefined) {
        throw new AnswerError(`unsupported transfer encoding ${JSON.stringify(coding)}`);
      }
      this.#beginSize();
    } else if (length !== undefined) {
      if (!/^\d{1,15}$/.test(length)) {
        throw new AnswerError(`bad Content-Length ${JSON.stringify(length)}`);
      }
      this.#leftBytes = Number(length);
      this.#due = "sized";
    } else {
      this.#leftBytes = Number.POSITIVE_INFINITY;
      this.#due = "rest";
    }
    this.#events.onHead(head);
    if (this.#due === "sized" && this.#leftBytes === 0) this.#whole();
  }

  #beginSize(): void {
    this.#leftBytes = 0;
    this.#lineBytes = 0;
    this.#due = "size";
  }

  #readSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#countLine();
      this.#leftBytes = this.#leftBytes * 16 + digit;
      if (this.#leftBytes > Number.MAX_SAFE_INTEGER) throw new AnswerError("chunk is too large");
      return;
    }
    if (this.#lineBytes === 0) throw new AnswerError("invalid byte in chunk length");
    this.#due = "extension";
    this.#readExtension(byte);
  }

  /** Whatever stands between the size of a chunk and the end of its line. */
  #readExtension(byte: number): void {
    if (byte !== LF) {
      this.#countLine();
      return;
    }
    this.#lineBytes = 0;
    this.#due = this.#leftBytes === 0 ? "trailer" : "data";
  }

  #countLine(): void {
    if (++this.#lineBytes > MAX_CHUNK_LINE_BYTES) throw new AnswerError("line is too long");
  }

  #readData(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#leftBytes);
    assert(end > at, "a body without bytes is due");
    this.#leftBytes -= end - at;
    const isSized = this.#due === "sized";
    if (this.#leftBytes === 0 && !isSized) this.#due = "dataEnd";
    this.#events.onBody(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (this.#leftBytes === 0 && isSized) this.#whole();
    return end;
  }

  #readDataEnd(byte: number): void {
    if (byte === CR && this.#lineBytes === 0) this.#lineBytes = 1;
    else if (byte === LF && this.#lineBytes === 1) this.#beginSize();
    else throw new AnswerError("chunk is longer than its length");
  }

  /** Lines up to an empty one; nobody reads them. */
  #readTrailer(byte: number): void {
    if (byte === LF) {
      if (this.#lineBytes === 0) this.#whole();
      this.#lineBytes = 0;
    } else if (byte !== CR) this.#countLine();
  }

  #whole(): void {
    if (this.#due === "over") return;
    this.#due = "over";
    this.#events.onWhole();
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function parseHead(text: string): AnswerHead {
  const [first = "", ...lines] = text.split("\r\n");
  const status = /^HTTP\/1\.[01] (\d{3})(?: .*)?$/.exec(first)?.[1];
  if (status === undefined) throw new AnswerError(JSON.stringify(first.slice(0, 80)));
  const headers: Record<string, string> = Object.create(null);
  for (const line of lines) {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new AnswerError(`header line ${JSON.stringify(line.slice(0, 80))}`);
    }
    const key = name.toLowerCase();
    const earlier = headers[key];
    headers[key] = earlier === undefined ? value : `${earlier}, ${value}`;
  }
  return { status: Number(status), headers };
}
