/** A unary call that has to wait: its body is only borrowed, so it gets a copy of it. */
import { copyBytes } from "../../base/bytes.ts";
import type { UnaryCall } from "../../env/index.ts";
import { ObservedCall } from "../tracing/observed-call.ts";

export class OwnedCall extends ObservedCall {
  readonly #body: Uint8Array;

  constructor(call: UnaryCall) {
    super(call, () => undefined);
    this.#body = copyBytes(call.body);
  }

  override get body(): Uint8Array {
    return this.#body;
  }
}
