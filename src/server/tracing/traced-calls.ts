/**
 * Calls that are recorded for distributed tracing: each ends its span with the status that it ends
 * with itself, once.
 */
import { StatusCode } from "../../api/errors.ts";
import {
  type Call,
  type CallSpan,
  type Clock,
  PassedStream,
  PassedUnary,
  type ReplySource,
  type StreamCall,
  type UnaryCall,
} from "../../env/index.ts";

/** A span that may be ended more than once, and takes the first time. */
class Ending {
  readonly #call: Call;
  readonly #span: CallSpan;
  readonly #clock: Clock;
  #isOver = false;

  constructor(call: Call, span: CallSpan, clock: Clock) {
    this.#call = call;
    this.#span = span;
    this.#clock = clock;
  }

  end(code: number, message: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#span.end(this.#clock.nowMs(), code, message);
  }

  /** The client went away, or its deadline passed. */
  cancelled(): void {
    const isLate = this.#clock.nowMs() >= this.#call.deadlineMs;
    if (isLate) this.end(StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded");
    else this.end(StatusCode.CANCELLED, "context canceled");
  }
}

export class TracedUnary extends PassedUnary {
  readonly #span: CallSpan;
  readonly #ending: Ending;
  #onCancel: (() => void) | undefined;

  constructor(call: UnaryCall, span: CallSpan, clock: Clock) {
    super(call);
    this.#span = span;
    this.#ending = new Ending(call, span, clock);
    call.onCancel = () => {
      this.#ending.cancelled();
      this.#onCancel?.();
    };
  }

  override get span(): CallSpan {
    return this.#span;
  }

  override get onCancel(): (() => void) | undefined {
    return this.#onCancel;
  }

  override set onCancel(cancel: (() => void) | undefined) {
    this.#onCancel = cancel;
  }

  override reply(message: Uint8Array): void {
    super.reply(message);
    this.#ending.end(StatusCode.OK, "");
  }

  override replyParts(parts: readonly Uint8Array[]): void {
    super.replyParts(parts);
    this.#ending.end(StatusCode.OK, "");
  }

  override replyFrom(source: ReplySource): void {
    super.replyFrom(source);
    this.#ending.end(StatusCode.OK, "");
  }

  override fail(code: number, message: string): void {
    super.fail(code, message);
    this.#ending.end(code, message);
  }
}

export class TracedStream extends PassedStream {
  readonly #span: CallSpan;
  readonly #ending: Ending;
  #onCancel: (() => void) | undefined;

  constructor(call: StreamCall, span: CallSpan, clock: Clock) {
    super(call);
    this.#span = span;
    this.#ending = new Ending(call, span, clock);
    call.onCancel = () => {
      this.#ending.cancelled();
      this.#onCancel?.();
    };
  }

  override get span(): CallSpan {
    return this.#span;
  }

  override get onCancel(): (() => void) | undefined {
    return this.#onCancel;
  }

  override set onCancel(cancel: (() => void) | undefined) {
    this.#onCancel = cancel;
  }

  override finish(code: number, message: string): void {
    super.finish(code, message);
    this.#ending.end(code, message);
  }
}
