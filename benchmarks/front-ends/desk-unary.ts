/** A unary call of another thread. It keeps its slot until the service has answered. */
import { MAX_MESSAGE_BYTES } from "../../src/api/message-size.ts";
import { EMPTY_BYTES } from "../../src/base/bytes.ts";
import type { ReplySource, UnaryCall } from "../../src/env/rpc.ts";
import { RESOURCE_EXHAUSTED, UNREAD_OUTPUT } from "../../src/transport/grpc/status.ts";
import { type CallFacts, DeskCall } from "./desk-call.ts";
import { DeskSource, WINDOW_BYTES } from "./desk-source.ts";
import { type RecordReader, TO_FRONT, TO_MAIN } from "./records.ts";

export class DeskUnary extends DeskCall implements UnaryCall {
  body: Uint8Array;
  #isAnswered = false;

  constructor(facts: CallFacts, body: Uint8Array) {
    super(facts);
    this.body = body;
  }

  /** The service has seen the body; the message that it is part of may go. */
  releaseBody(): void {
    this.body = EMPTY_BYTES;
  }

  reply(message: Uint8Array): void {
    if (this.desk.link.isFull(message.length)) {
      this.fail(RESOURCE_EXHAUSTED, UNREAD_OUTPUT);
    } else if (this.#begin(TO_FRONT.reply)) {
      this.desk.link.out.bytes(message);
    }
  }

  replyParts(parts: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (bytes > MAX_MESSAGE_BYTES) {
      const text = `trying to send message larger than max (${bytes} vs. ${MAX_MESSAGE_BYTES})`;
      this.fail(RESOURCE_EXHAUSTED, `grpc: ${text}`);
    } else if (this.desk.link.isFull(bytes)) {
      this.fail(RESOURCE_EXHAUSTED, UNREAD_OUTPUT);
    } else if (this.#begin(TO_FRONT.reply)) {
      this.desk.link.out.parts(parts, bytes);
    }
  }

  replyFrom(source: ReplySource): void {
    const isFull = this.desk.link.isFull(WINDOW_BYTES);
    if (isFull || this.cancelled) this.fail(RESOURCE_EXHAUSTED, UNREAD_OUTPUT);
    if (!this.#begin(TO_FRONT.source)) {
      source.close();
      return;
    }
    this.desk.link.out.f64(source.bytes);
    this.desk.link.out.f64(source.heldBytes);
    const sending = new DeskSource(this.desk, this.slot, source);
    this.desk.replace(this.slot, sending);
    sending.fill();
  }

  fail(code: number, message: string): void {
    if (!this.#begin(TO_FRONT.fail)) return;
    this.desk.link.out.u32(code);
    this.desk.link.out.text(message);
  }

  /** The client has gone. The other thread still waits for the answer, which says that all is done. */
  cancel(): void {
    if (this.#isAnswered || this.cancelled) return;
    this.cancelled = true;
    const { onCancel } = this;
    this.onCancel = undefined;
    this.desk.guard(
      () => onCancel?.(),
      () => undefined,
    );
  }

  receive(records: RecordReader): void {
    if (records.kind === TO_MAIN.cancel) this.cancel();
  }

  /** False when the call has been answered. */
  #begin(kind: number): boolean {
    if (this.#isAnswered) return false;
    this.#isAnswered = true;
    if (kind !== TO_FRONT.source) this.desk.leave(this.slot);
    this.desk.link.out.begin(kind, this.slot);
    this.desk.link.flushSoon();
    return true;
  }
}
