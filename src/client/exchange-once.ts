/** One request and one answer over a streaming method, repeated as a read is. */
import { StatusCode } from "../api/errors.ts";
import { type Caller, isPassing, type OpenStream } from "./caller.ts";
import type { Endpoint } from "./endpoint.ts";
import { EtcdClientError } from "./errors.ts";
import type { RpcMethod } from "./methods.ts";
import { CALL_OPTION_NAMES, type CallOptions, checkCallOptions } from "./options.ts";
import { type Limits, pause, within } from "./waiting.ts";

/** As other calls: a failure that goes on is told. */
const MAX_ATTEMPTS = 5;

export async function exchangeOnce<Q, R>(
  caller: Caller,
  method: RpcMethod<Q, R>,
  request: Q,
  options: CallOptions,
): Promise<R> {
  checkCallOptions(method.path, options, CALL_OPTION_NAMES);
  const limits = caller.limitsOf(options);
  let avoid: Endpoint | undefined;
  for (let attempt = 1; ; attempt++) {
    const outcome = await exchange(caller, method, request, options, limits, avoid);
    if (!(outcome.error instanceof EtcdClientError)) return outcome.answer as R;
    if (!isPassing(outcome.error) || attempt === MAX_ATTEMPTS) throw outcome.error;
    avoid = outcome.endpoint;
    if (attempt > 1) await pause(caller.backoff.delayMs(attempt - 1), caller.clock, limits.signal);
  }
}

interface Outcome<R> {
  readonly answer?: R;
  readonly error?: EtcdClientError;
  readonly endpoint: Endpoint;
}

async function exchange<Q, R>(
  caller: Caller,
  method: RpcMethod<Q, R>,
  request: Q,
  options: CallOptions,
  limits: Limits,
  avoid: Endpoint | undefined,
): Promise<Outcome<R>> {
  let settle: (outcome: { answer?: R; error?: EtcdClientError }) => void = () => undefined;
  const settled = new Promise<{ answer?: R; error?: EtcdClientError }>((resolve) => {
    settle = resolve;
  });
  const sink = {
    onMessage: (answer: R) => settle({ answer }),
    onEnd: (error: EtcdClientError | undefined) => settle({ error: error ?? endedError() }),
  };
  const open: OpenStream<Q> = await caller.openStream(method, sink, limits, options, avoid);
  try {
    open.send(request);
    open.stream.halfClose();
    return { ...(await within(settled, limits, caller.clock)), endpoint: open.endpoint };
  } finally {
    open.stream.cancel();
  }
}

function endedError(): EtcdClientError {
  return new EtcdClientError("the server ended the stream without an answer", {
    code: StatusCode.INTERNAL,
    kind: "internal",
  });
}
