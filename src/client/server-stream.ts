/** Calls that one request begins and many answers follow, such as `METHODS.rangeStream`. */
import type { Caller } from "./caller.ts";
import type { EtcdClientError } from "./errors.ts";
import type { RpcMethod } from "./methods.ts";
import type { CallOptions } from "./options.ts";
import { within } from "./waiting.ts";

/**
 * Gives each answer to `onAnswer`; settles after the last. Not repeated: after a failure the caller
 * has some of the answers. `onAnswer` keeps up, or they wait in memory.
 */
export async function receiveAll<Q, R>(
  caller: Caller,
  method: RpcMethod<Q, R>,
  request: Q,
  onAnswer: (answer: R) => void,
  options: CallOptions,
): Promise<void> {
  const limits = caller.limitsOf(options);
  let onEnd: (error: EtcdClientError | undefined) => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    onEnd = (error) => (error === undefined ? resolve() : reject(error));
  });
  const sink = { onMessage: onAnswer, onEnd };
  const stream = await caller.openAnswering(method, request, sink, limits, options);
  try {
    await within(ended, limits, caller.clock);
  } finally {
    stream.cancel();
  }
}
