/** Turns the bytes of answers into messages, for calls with one answer and for streams. */
import { StatusCode } from "../api/errors.ts";
import type { MessageType } from "../api/message-type.ts";
import { DecodeError } from "../base/wire.ts";
import type { CallHandler } from "../transport/client/client-call.ts";
import type { RpcError } from "../transport/client/rpc-error.ts";
import { EtcdClientError } from "./errors.ts";
import { onAbort } from "./waiting.ts";

export interface StreamSink<R> {
  onMessage(message: R, bytes: number): void;
  /** The last; undefined: the server ended it with OK. */
  onEnd(error: EtcdClientError | undefined): void;
}

/** Settles one call. Rejects with `RpcError`, or with the client's error for what is no answer. */
export class UnaryHandler<R> implements CallHandler {
  readonly #codec: MessageType<R>;
  readonly #resolve: (answer: R) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  #answer: R | undefined;
  #malformed: EtcdClientError | undefined;
  #forget: (() => void) | undefined;
  #ended = false;

  constructor(
    codec: MessageType<R>,
    resolve: (answer: R) => void,
    reject: (error: unknown) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#codec = codec;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
  }

  cancelOnAbort(call: { cancel(): void }): void {
    if (!this.#ended) this.#forget = onAbort(this.#signal, () => call.cancel());
  }

  onMessage(body: Uint8Array): void {
    try {
      this.#answer = decodeCopy(this.#codec, body);
    } catch (error) {
      this.#malformed = malformed(error);
    }
  }

  onEnd(error: RpcError | undefined): void {
    this.#ended = true;
    this.#forget?.();
    if (error !== undefined) this.#reject(error);
    else if (this.#malformed !== undefined) this.#reject(this.#malformed);
    else this.#resolve(this.#answer as R);
  }
}

/** Answers borrow the connection's buffer only until `onMessage` returns: they are copied once. */
function decodeCopy<R>(codec: MessageType<R>, body: Uint8Array): R {
  return codec.decode(Uint8Array.prototype.slice.call(body));
}

/** Hands one message of a stream on; a malformed one ends the stream. */
export function deliver<R>(
  codec: MessageType<R>,
  body: Uint8Array,
  sink: StreamSink<R>,
  cancel: () => void,
): void {
  let message: R;
  try {
    message = decodeCopy(codec, body);
  } catch (error) {
    cancel();
    sink.onEnd(malformed(error));
    return;
  }
  sink.onMessage(message, body.length);
}

function malformed(error: unknown): EtcdClientError {
  if (!(error instanceof DecodeError)) throw error;
  return new EtcdClientError(`the server's answer is malformed: ${error.message}`, {
    code: StatusCode.INTERNAL,
    kind: "internal",
    cause: error,
  });
}
