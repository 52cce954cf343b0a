/** A unary call that has to wait: its body is only borrowed, so it gets a copy of it. */
import { copyBytes } from "../../base/bytes.ts";
import { PassedUnary, type UnaryCall } from "../../env/index.ts";

export class OwnedCall extends PassedUnary {
  readonly #body: Uint8Array;

  constructor(call: UnaryCall) {
    super(call);
    this.#body = copyBytes(call.body);
  }

  override get body(): Uint8Array {
    return this.#body;
  }
}
