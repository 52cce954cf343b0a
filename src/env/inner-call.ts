/**
 * Calls that a service makes on behalf of a caller: the same token, certificate and address, so that
 * every check is the one that the caller would meet. They go to the services without a transport.
 */
import { StatusError } from "../api/errors.ts";
import type { WatchResponse } from "../api/gen/rpc.ts";
import { WatchResponse as WatchResponseCodec } from "../api/gen/rpc.ts";
import { METHOD } from "../api/rpc-table.ts";
import type { CallSpan } from "./call-span.ts";
import {
  type Call,
  type MessageSeries,
  type ReplySource,
  sendOneByOne,
  type StreamCall,
  type UnaryCall,
} from "./rpc.ts";

abstract class InnerCall implements Call {
  readonly method: number;
  protected readonly caller: Call;

  constructor(caller: Call, method: number) {
    this.caller = caller;
    this.method = method;
  }

  abstract readonly cancelled: boolean;

  get deadlineMs(): number {
    return this.caller.deadlineMs;
  }

  get remote(): string {
    return this.caller.remote;
  }

  get viaGateway(): boolean {
    return this.caller.viaGateway;
  }

  get certificateName(): string | undefined {
    return this.caller.certificateName;
  }

  get span(): CallSpan | undefined {
    return this.caller.span;
  }

  metadata(key: string): string | undefined {
    return this.caller.metadata(key);
  }
}

/** One operation. It runs to its end whether or not the caller waits: its outcome must be known. */
export class InnerUnary extends InnerCall implements UnaryCall {
  readonly body: Uint8Array;
  readonly cancelled = false;
  readonly answer: Promise<Uint8Array>;
  onCancel: (() => void) | undefined;
  #resolve: (answer: Uint8Array) => void = () => undefined;
  #reject: (error: StatusError) => void = () => undefined;

  constructor(caller: Call, method: number, body: Uint8Array) {
    super(caller, method);
    this.body = body;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  reply(message: Uint8Array): void {
    this.#resolve(message);
  }

  replyParts(parts: readonly Uint8Array[]): void {
    this.#resolve(Buffer.concat(parts));
  }

  replyFrom(source: ReplySource): void {
    const parts: Uint8Array[] = [];
    try {
      for (let part = source.next(); part !== undefined; part = source.next()) parts.push(part);
      this.replyParts(parts);
    } finally {
      source.close();
    }
  }

  fail(code: number, message: string): void {
    this.#reject(new StatusError(code, message));
  }
}

export interface InnerWatchHandler {
  onResponse(response: WatchResponse): void;
  /** The member ends the stream. */
  onEnd(error: StatusError): void;
}

/** A watch stream. What it may hold unread is what the caller's own stream may. */
export class InnerWatch extends InnerCall implements StreamCall {
  cancelled = false;
  onMessage: ((message: Uint8Array) => void) | undefined;
  onHalfClose: (() => void) | undefined;
  onCancel: (() => void) | undefined;
  readonly #handler: InnerWatchHandler;

  constructor(caller: Call, handler: InnerWatchHandler) {
    super(caller, METHOD.Watch);
    this.#handler = handler;
  }

  get bufferedBytes(): number {
    return isStream(this.caller) ? this.caller.bufferedBytes : 0;
  }

  get onDrain(): (() => void) | undefined {
    return isStream(this.caller) ? this.caller.onDrain : undefined;
  }

  set onDrain(drain: (() => void) | undefined) {
    if (isStream(this.caller)) this.caller.onDrain = drain;
  }

  send(...parts: readonly Uint8Array[]): void {
    if (!this.cancelled) this.#handler.onResponse(WatchResponseCodec.decode(Buffer.concat(parts)));
  }

  sendSeries(series: MessageSeries): void {
    sendOneByOne(this, series);
  }

  finish(code: number, message: string): void {
    if (!this.cancelled) this.#handler.onEnd(new StatusError(code, message));
  }

  pauseReceiving(): void {}

  resumeReceiving(): void {}

  close(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.onDrain = undefined;
    this.onCancel?.();
  }
}

function isStream(call: Call): call is StreamCall {
  return "bufferedBytes" in call;
}
