/**
 * The dialing end of a stream's connection: one GET, and its answer for as long as it lasts. All such
 * connections read to the same memory, one read at a time; who keeps bytes copies them.
 */
import type { OnReadOpts, Socket } from "node:net";
import { assert } from "../../base/assert.ts";
import { AnswerReader, type AnswerHead } from "./answer-reader.ts";
import { STREAM_READ_BYTES } from "./limits.ts";
import type { RequestHead } from "./peer-http.ts";

export interface DialedStreamEvents {
  onAnswer(head: AnswerHead): void;
  /** Lends the next bytes of the answer's body. */
  onBody(bytes: Buffer): void;
  /** Once, and nothing afterwards. Without an error the answer is whole. */
  onEnd(error: Error | undefined): void;
}

let memory: Buffer | undefined;

export class DialedStream {
  readonly #socket: Socket;
  readonly #events: DialedStreamEvents;
  readonly #answer: AnswerReader;
  #isOpen = false;
  #hasEnded = false;

  constructor(dial: (reading: OnReadOpts) => Socket, request: string, events: DialedStreamEvents) {
    this.#events = events;
    this.#answer = new AnswerReader({
      onHead: (head) => events.onAnswer(head),
      onBody: (bytes) => events.onBody(bytes),
      onWhole: () => this.#end(undefined),
    });
    memory ??= Buffer.allocUnsafeSlow(STREAM_READ_BYTES);
    const socket = dial({ buffer: memory, callback: (count, bytes) => this.#read(count, bytes) });
    this.#socket = socket;
    socket.once("encrypted" in socket ? "secureConnect" : "connect", () => {
      this.#isOpen = true;
      socket.write(request, "latin1");
    });
    socket.on("error", (error) => this.#end(error));
    socket.on("end", () => this.#ended());
    socket.on("close", () => this.#ended());
  }

  /** Without `onEnd`. */
  destroy(): void {
    this.#hasEnded = true;
    this.#answer.stop();
    this.#socket.destroy();
  }

  #read(count: number, bytes: Uint8Array): boolean {
    if (this.#hasEnded) return true;
    try {
      // What comes before the peer has been verified is not the peer's.
      assert(this.#isOpen, "an answer before its request");
      this.#answer.push(Buffer.from(bytes.buffer, bytes.byteOffset, count));
    } catch (error) {
      this.#end(error as Error);
    }
    return true;
  }

  #ended(): void {
    if (!this.#hasEnded && !this.#answer.ended()) this.#end(new Error("unexpected EOF"));
  }

  #end(error: Error | undefined): void {
    if (this.#hasEnded) return;
    this.destroy();
    this.#events.onEnd(error);
  }
}

/** The request as it goes over the wire. Its connection serves nothing else. */
export function requestText(host: string, { method, path, headers }: RequestHead): string {
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${host}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  for (const line of lines) assert(/^[\t\x20-\x7e\x80-\xff]*$/.test(line), "a line that is none");
  return [...lines, "Connection: close", "", ""].join("\r\n");
}
