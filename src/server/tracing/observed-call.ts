/** A unary call that says when it has been answered, or cannot be any more. */
import type { CallSpan, ReplySource, UnaryCall } from "../../env/index.ts";

export class ObservedCall implements UnaryCall {
  readonly #call: UnaryCall;
  readonly #answered: () => void;

  constructor(call: UnaryCall, answered: () => void) {
    this.#call = call;
    this.#answered = answered;
  }

  get method(): number {
    return this.#call.method;
  }

  get body(): Uint8Array {
    return this.#call.body;
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

  get onCancel(): (() => void) | undefined {
    return this.#call.onCancel;
  }

  set onCancel(cancel: (() => void) | undefined) {
    this.#call.onCancel = cancel;
  }

  metadata(key: string): string | undefined {
    return this.#call.metadata(key);
  }

  reply(message: Uint8Array): void {
    this.#call.reply(message);
    this.#answered();
  }

  replyParts(parts: readonly Uint8Array[]): void {
    this.#call.replyParts(parts);
    this.#answered();
  }

  replyFrom(source: ReplySource): void {
    this.#call.replyFrom(source);
    this.#answered();
  }

  fail(code: number, message: string): void {
    this.#call.fail(code, message);
    this.#answered();
  }
}
