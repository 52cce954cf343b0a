/** Calls that one request begins and many answers follow, such as `METHODS.rangeStream`. */
import type { AnsweringStream, Caller } from "./caller.ts";
import type { EtcdClientError } from "./errors.ts";
import type { RpcMethod } from "./methods.ts";
import type { CallOptions } from "./options.ts";
import { within } from "./waiting.ts";

/** What it returns beside a promise means nothing. */
export type AnswerListener<R> = (answer: R) => unknown;

/**
 * Gives each answer to `onAnswer`; settles after the last. Not repeated: after a failure the caller
 * has some of the answers. A promise that `onAnswer` returns holds the server up until it settles;
 * what was on its way then still comes.
 */
export async function receiveAll<Q, R>(
  caller: Caller,
  method: RpcMethod<Q, R>,
  request: Q,
  onAnswer: AnswerListener<R>,
  options: CallOptions,
): Promise<void> {
  const limits = caller.limitsOf(options);
  let onEnd: (error: EtcdClientError | undefined) => void = () => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    onEnd = (error) => (error === undefined ? resolve() : reject(error));
  });
  let stream: AnsweringStream | undefined;
  let waiting = 0;
  const onMessage = (answer: R): void => {
    const taken = onAnswer(answer);
    if (!(taken instanceof Promise)) return;
    if (waiting++ === 0) stream?.pauseReceiving();
    void taken.then(() => {
      if (--waiting === 0) stream?.resumeReceiving();
    });
  };
  const sink = { onMessage, onEnd };
  stream = await caller.openAnswering(method, request, sink, limits, options);
  try {
    await within(ended, limits, caller.clock);
  } finally {
    stream.cancel();
  }
}
