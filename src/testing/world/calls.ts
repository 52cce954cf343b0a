/**
 * Calls of clients as a member's services see them, without a transport. A dead member answers
 * nothing; what it answered just before it died may get lost.
 */
import {
  type MessageSeries,
  type ReplySource,
  sendOneByOne,
  type StreamCall,
  type UnaryCall,
} from "../../env/index.ts";

/** gRPC metadata of a call; keys in lower case. */
export type Metadata = Readonly<Record<string, string>>;

abstract class SimCall {
  readonly method: number;
  readonly deadlineMs = Number.POSITIVE_INFINITY;
  readonly remote = "127.0.0.1:1";
  readonly viaGateway = false;
  readonly certificateName = undefined;
  cancelled = false;
  onCancel: (() => void) | undefined;

  readonly #metadata: Metadata;

  constructor(method: number, metadata: Metadata) {
    this.method = method;
    this.#metadata = metadata;
  }

  metadata(key: string): string | undefined {
    return this.#metadata[key];
  }

  /** The client has gone. */
  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.onCancel?.();
  }
}

export type Answer =
  | { readonly kind: "reply"; readonly body: Uint8Array }
  | { readonly kind: "failure"; readonly code: number; readonly message: string };

export class SimUnaryCall extends SimCall implements UnaryCall {
  readonly body: Uint8Array;
  readonly #onAnswer: (answer: Answer) => void;

  constructor(
    method: number,
    body: Uint8Array,
    onAnswer: (answer: Answer) => void,
    metadata: Metadata,
  ) {
    super(method, metadata);
    this.body = body;
    this.#onAnswer = onAnswer;
  }

  reply(message: Uint8Array): void {
    if (!this.cancelled) this.#onAnswer({ kind: "reply", body: new Uint8Array(message) });
  }

  replyParts(parts: readonly Uint8Array[]): void {
    this.reply(Buffer.concat(parts));
  }

  replyFrom(source: ReplySource): void {
    const parts: Uint8Array[] = [];
    for (let part = source.next(); part !== undefined; part = source.next()) parts.push(part);
    source.close();
    this.replyParts(parts);
  }

  fail(code: number, message: string): void {
    if (!this.cancelled) this.#onAnswer({ kind: "failure", code, message });
  }
}

export interface StreamListener {
  message(body: Uint8Array): void;
  end(code: number, message: string): void;
}

/** Bytes that one message of a client who does not read counts as, so that congestion comes soon. */
const UNREAD_MESSAGE_BYTES = 2 * 1024 * 1024;

export class SimStreamCall extends SimCall implements StreamCall {
  onDrain: (() => void) | undefined;
  onMessage: ((message: Uint8Array) => void) | undefined;
  onHalfClose: (() => void) | undefined;
  readonly #listener: StreamListener;
  #isReading = true;
  readonly #unread: Uint8Array[] = [];
  #ended: { readonly code: number; readonly message: string } | undefined;

  constructor(method: number, listener: StreamListener, metadata: Metadata) {
    super(method, metadata);
    this.#listener = listener;
  }

  get bufferedBytes(): number {
    return this.#unread.length * UNREAD_MESSAGE_BYTES;
  }

  send(...parts: readonly Uint8Array[]): void {
    if (this.cancelled || this.#ended !== undefined) return;
    const body = new Uint8Array(Buffer.concat(parts));
    if (this.#isReading) this.#listener.message(body);
    else this.#unread.push(body);
  }

  sendSeries(series: MessageSeries): void {
    sendOneByOne(this, series);
  }

  finish(code: number, message: string): void {
    if (this.cancelled || this.#ended !== undefined) return;
    this.#ended = { code, message };
    if (this.#isReading) this.#listener.end(code, message);
  }

  /** The client stops reading. */
  stall(): void {
    this.#isReading = false;
  }

  /** The client reads again: what waits comes first. */
  read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    const hadUnread = this.#unread.length > 0;
    for (const body of this.#unread.splice(0)) this.#listener.message(body);
    if (this.#ended !== undefined) this.#listener.end(this.#ended.code, this.#ended.message);
    else if (hadUnread) this.onDrain?.();
  }

  pauseReceiving(): void {}

  resumeReceiving(): void {}
}
