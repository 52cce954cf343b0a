/** A unary call that says when it has been answered, or cannot be any more. */
import { PassedUnary, type ReplySource, type UnaryCall } from "../../env/index.ts";

export class ObservedCall extends PassedUnary {
  readonly #answered: () => void;

  constructor(call: UnaryCall, answered: () => void) {
    super(call);
    this.#answered = answered;
  }

  override reply(message: Uint8Array): void {
    super.reply(message);
    this.#answered();
  }

  override replyParts(parts: readonly Uint8Array[]): void {
    super.replyParts(parts);
    this.#answered();
  }

  override replyFrom(source: ReplySource): void {
    super.replyFrom(source);
    this.#answered();
  }

  override fail(code: number, message: string): void {
    super.fail(code, message);
    this.#answered();
  }
}
