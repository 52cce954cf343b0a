/** A stream that passes everything on to another; what is to be different is overridden. */
import type { CallSpan, StreamCall } from "../../env/index.ts";

export class PassedStream implements StreamCall {
  readonly #call: StreamCall;

  constructor(call: StreamCall) {
    this.#call = call;
  }

  get method(): number {
    return this.#call.method;
  }
  get deadlineMs(): number {
    return this.#call.deadlineMs;
  }
  get remote(): string {
    return this.#call.remote;
  }
  get viaGateway(): boolean {
    return this.#call.viaGateway;
  }
  get certificateName(): string | undefined {
    return this.#call.certificateName;
  }
  get cancelled(): boolean {
    return this.#call.cancelled;
  }
  get span(): CallSpan | undefined {
    return this.#call.span;
  }
  get bufferedBytes(): number {
    return this.#call.bufferedBytes;
  }
  metadata(key: string): string | undefined {
    return this.#call.metadata(key);
  }
  send(...parts: readonly Uint8Array[]): void {
    this.#call.send(...parts);
  }
  finish(code: number, message: string): void {
    this.#call.finish(code, message);
  }
  pauseReceiving(): void {
    this.#call.pauseReceiving();
  }
  resumeReceiving(): void {
    this.#call.resumeReceiving();
  }

  get onDrain(): (() => void) | undefined {
    return this.#call.onDrain;
  }
  set onDrain(handler: (() => void) | undefined) {
    this.#call.onDrain = handler;
  }
  get onMessage(): ((message: Uint8Array) => void) | undefined {
    return this.#call.onMessage;
  }
  set onMessage(handler: ((message: Uint8Array) => void) | undefined) {
    this.#call.onMessage = handler;
  }
  get onHalfClose(): (() => void) | undefined {
    return this.#call.onHalfClose;
  }
  set onHalfClose(handler: (() => void) | undefined) {
    this.#call.onHalfClose = handler;
  }
  get onCancel(): (() => void) | undefined {
    return this.#call.onCancel;
  }
  set onCancel(handler: (() => void) | undefined) {
    this.#call.onCancel = handler;
  }
}
