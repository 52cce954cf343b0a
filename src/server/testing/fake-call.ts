/** Calls without a transport, for tests that speak to a member's services directly. */
import { METHODS } from "../../api/rpc-table.ts";
import {
  type MessageSeries,
  type ReplySource,
  sendOneByOne,
  type StreamCall,
  type UnaryCall,
} from "../../env/index.ts";

/** A unary call that remembers its answer. */
export class FakeUnaryCall implements UnaryCall {
  readonly method: number;
  readonly body: Uint8Array;
  readonly deadlineMs = Number.POSITIVE_INFINITY;
  readonly remote = "127.0.0.1:1";
  readonly viaGateway = false;
  readonly certificateName = undefined;
  cancelled = false;
  onCancel: (() => void) | undefined;
  answer: Uint8Array | undefined;
  failure: { readonly code: number; readonly message: string } | undefined;
  readonly #metadata: Readonly<Record<string, string>>;

  constructor(method: number, body: Uint8Array, metadata: Readonly<Record<string, string>> = {}) {
    if (METHODS[method] === undefined) throw new Error(`no method ${method}`);
    this.method = method;
    this.body = body;
    this.#metadata = metadata;
  }

  get answered(): boolean {
    return this.answer !== undefined || this.failure !== undefined;
  }

  metadata(key: string): string | undefined {
    return this.#metadata[key];
  }

  reply(message: Uint8Array): void {
    this.answer = message;
  }

  replyParts(parts: readonly Uint8Array[]): void {
    this.answer = Buffer.concat(parts);
  }

  replyFrom(source: ReplySource): void {
    const parts: Uint8Array[] = [];
    for (let part = source.next(); part !== undefined; part = source.next()) parts.push(part);
    source.close();
    this.replyParts(parts);
  }

  fail(code: number, message: string): void {
    this.failure = { code, message };
  }
}

/** A stream that remembers what was sent. */
export class FakeStreamCall implements StreamCall {
  readonly method: number;
  readonly deadlineMs = Number.POSITIVE_INFINITY;
  readonly remote = "127.0.0.1:1";
  readonly viaGateway = false;
  readonly certificateName = undefined;
  cancelled = false;
  onDrain: (() => void) | undefined;
  onMessage: ((message: Uint8Array) => void) | undefined;
  onHalfClose: (() => void) | undefined;
  onCancel: (() => void) | undefined;
  readonly sent: Uint8Array[] = [];
  status: { readonly code: number; readonly message: string } | undefined;
  readonly #metadata: Readonly<Record<string, string>>;

  constructor(method: number, metadata: Readonly<Record<string, string>> = {}) {
    this.method = method;
    this.#metadata = metadata;
  }

  metadata(key: string): string | undefined {
    return this.#metadata[key];
  }

  get bufferedBytes(): number {
    return 0;
  }

  send(...parts: readonly Uint8Array[]): void {
    this.sent.push(Buffer.concat(parts));
  }

  sendSeries(series: MessageSeries): void {
    sendOneByOne(this, series);
  }

  finish(code: number, message: string): void {
    this.status ??= { code, message };
  }

  pauseReceiving(): void {}
  resumeReceiving(): void {}
}
