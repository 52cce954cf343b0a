/**
 * Calls of the Lock and Election services while they are carried out. Each has a delegate, which is
 * told when the client goes and when the member stops; a call that waits in line may do so for ever.
 */
import { errorMessage } from "../../../base/error-message.ts";
import { StatusCode } from "../../../api/errors.ts";
import type { StreamCall, UnaryCall } from "../../../env/index.ts";
import { Delegate, type InnerServices } from "./delegate.ts";

export class WaitingCalls {
  readonly #services: InnerServices;
  readonly #delegates = new Set<Delegate>();

  constructor(services: InnerServices) {
    this.#services = services;
  }

  /** The member stops: who waits leaves its line and is told so. */
  stop(): void {
    for (const delegate of this.#delegates) delegate.end({ kind: "stopped" });
  }

  /** Answers with what `run` resolves with, encoded. */
  unary(call: UnaryCall, run: (delegate: Delegate) => Promise<Uint8Array>): void {
    const delegate = this.#delegateOf(call);
    run(delegate)
      .then(
        (answer) => call.reply(answer),
        (error: unknown) => {
          const { code, message } = toldOf(error, delegate);
          call.fail(code, message);
        },
      )
      .finally(() => this.#delegates.delete(delegate));
  }

  /** Runs until the client or the member ends it. */
  stream(call: StreamCall, run: (delegate: Delegate) => Promise<never>): void {
    const delegate = this.#delegateOf(call);
    run(delegate)
      .catch((error: unknown) => {
        const { code, message } = toldOf(error, delegate);
        call.finish(code, message);
      })
      .finally(() => this.#delegates.delete(delegate));
  }

  #delegateOf(call: UnaryCall | StreamCall): Delegate {
    const delegate = new Delegate(this.#services, call);
    this.#delegates.add(delegate);
    call.onCancel = () => delegate.end({ kind: "cancelled" });
    return delegate;
  }
}

/** As etcd, whose services pass only the texts of errors on. But who can ask again is told so. */
function toldOf(error: unknown, { ending }: Delegate): { code: number; message: string } {
  const message = errorMessage(error);
  return {
    code: ending?.kind === "stopped" ? StatusCode.UNAVAILABLE : StatusCode.UNKNOWN,
    message,
  };
}
