/**
 * Calls that somebody else has got, and that are passed on. They are the call in every respect; what
 * is to be different is overridden. Only `bodyHasRoom` is not passed on: another body may stand in
 * the place of the call's own, and a body that is taken for one without room is copied.
 */
import type { CallSpan } from "./call-span.ts";
import type { Call, MessageSeries, ReplySource, StreamCall, UnaryCall } from "./rpc.ts";

class PassedCall<C extends Call> implements Call {
  protected readonly call: C;

  constructor(call: C) {
    this.call = call;
  }

  get method(): number {
    return this.call.method;
  }
  get deadlineMs(): number {
    return this.call.deadlineMs;
  }
  get remote(): string {
    return this.call.remote;
  }
  get viaGateway(): boolean {
    return this.call.viaGateway;
  }
  get certificateName(): string | undefined {
    return this.call.certificateName;
  }
  get cancelled(): boolean {
    return this.call.cancelled;
  }
  get span(): CallSpan | undefined {
    return this.call.span;
  }
  metadata(key: string): string | undefined {
    return this.call.metadata(key);
  }
}

export class PassedUnary extends PassedCall<UnaryCall> implements UnaryCall {
  get body(): Uint8Array {
    return this.call.body;
  }
  get onCancel(): (() => void) | undefined {
    return this.call.onCancel;
  }
  set onCancel(handler: (() => void) | undefined) {
    this.call.onCancel = handler;
  }
  reply(message: Uint8Array): void {
    this.call.reply(message);
  }
  replyParts(parts: readonly Uint8Array[]): void {
    this.call.replyParts(parts);
  }
  replyFrom(source: ReplySource): void {
    this.call.replyFrom(source);
  }
  fail(code: number, message: string): void {
    this.call.fail(code, message);
  }
}

/** All of a stream but its handlers: for those that keep the handlers themselves. */
export class PassedSending extends PassedCall<StreamCall> {
  get bufferedBytes(): number {
    return this.call.bufferedBytes;
  }
  send(...parts: readonly Uint8Array[]): void {
    this.call.send(...parts);
  }
  sendSeries(series: MessageSeries): void {
    this.call.sendSeries(series);
  }
  finish(code: number, message: string): void {
    this.call.finish(code, message);
  }
  pauseReceiving(): void {
    this.call.pauseReceiving();
  }
  resumeReceiving(): void {
    this.call.resumeReceiving();
  }
}

export class PassedStream extends PassedSending implements StreamCall {
  get onDrain(): (() => void) | undefined {
    return this.call.onDrain;
  }
  set onDrain(handler: (() => void) | undefined) {
    this.call.onDrain = handler;
  }
  get onMessage(): ((message: Uint8Array) => void) | undefined {
    return this.call.onMessage;
  }
  set onMessage(handler: ((message: Uint8Array) => void) | undefined) {
    this.call.onMessage = handler;
  }
  get onHalfClose(): (() => void) | undefined {
    return this.call.onHalfClose;
  }
  set onHalfClose(handler: (() => void) | undefined) {
    this.call.onHalfClose = handler;
  }
  get onCancel(): (() => void) | undefined {
    return this.call.onCancel;
  }
  set onCancel(handler: (() => void) | undefined) {
    this.call.onCancel = handler;
  }
}
