/** One client that asks, waits, and asks again: a mix of requests over few keys. */
import type { SeededRandom } from "../../src/env/testing/index.ts";
import type { OperationRequest, OperationResult, Outcome } from "../../src/checkers/history.ts";
import type { Member } from "../../src/testing/world/member.ts";
import { decodeAnswer, encodeRequest } from "./kv-codec.ts";
import type { CallResult, Port } from "./port.ts";
import { readStream } from "./range-stream-client.ts";
import type { Recorder } from "./recorder.ts";
import type { Requests } from "./requests.ts";

/** Errors after which a write has certainly not happened and never will. */
const CERTAIN_FAILURES: readonly RegExp[] = [
  /mvcc: required revision/,
  /requested lease not found/,
  /duplicate key/,
  /too many requests/,
  /database space exceeded/,
  /key is not provided/,
  /permission denied/,
  /user name is empty/,
  /invalid auth token/,
  /revision of auth store is old/,
];

/** Of the ranges. */
const STREAMED_SHARE = 0.3;

export interface KVClientOptions {
  readonly id: number;
  readonly port: Port;
  readonly recorder: Recorder;
  readonly random: SeededRandom;
  /** Chosen anew for each request. */
  readonly member: () => Member | undefined;
  readonly requests: Requests;
  readonly thinkMs: { readonly min: number; readonly max: number };
  readonly timeoutMs: number;
  readonly isOver: () => boolean;
}

export async function runKVClient(options: KVClientOptions): Promise<void> {
  const { port, random, thinkMs } = options;
  const { scheduler } = port.world;
  while (!options.isOver()) {
    await scheduler.sleep(random.between(thinkMs.min * 10, thinkMs.max * 10) / 10);
    const member = options.member();
    if (member === undefined || options.isOver()) continue;
    const { requests } = options;
    const request = requests.next(random);
    const isRange = request.kind === "get" && request.end !== undefined;
    const send = isRange && random.chance(STREAMED_SHARE) ? readStream : sendWhole;
    requests.saw(await ask(options, member, request, send));
  }
}

type Send = (
  port: Port,
  member: Member,
  body: Uint8Array,
  timeoutMs: number,
  method: number,
) => Promise<CallResult>;

const sendWhole: Send = (port, member, body, timeoutMs, method) =>
  port.call(member, method, body, timeoutMs);

type Asking = Pick<KVClientOptions, "id" | "port" | "recorder" | "timeoutMs">;

/** One request, recorded. Undefined if it was not answered. */
export async function ask(
  { id, port, recorder, timeoutMs }: Asking,
  member: Member,
  request: OperationRequest,
  send: Send = sendWhole,
): Promise<OperationResult | undefined> {
  const operation = recorder.called(id, member.name, request);
  const { method, body } = encodeRequest(request);
  const result = await send(port, member, body, timeoutMs, method);
  const outcome = outcomeOf(request, result, recorder);
  recorder.returned(operation, outcome);
  port.world.count(`request ${outcome.kind}`);
  return outcome.kind === "ok" ? outcome.result : undefined;
}

function outcomeOf(request: OperationRequest, result: CallResult, recorder: Recorder): Outcome {
  switch (result.kind) {
    case "reply": {
      const answer = decodeAnswer(request, result.body);
      return { kind: "ok", returnTime: recorder.time(), ...answer };
    }
    case "refused":
      return { kind: "failed", returnTime: recorder.time(), error: "connection refused" };
    case "unknown":
      return { kind: "unknown", error: result.reason };
    case "failure": {
      const { message } = result;
      if (CERTAIN_FAILURES.some((pattern) => pattern.test(message))) {
        return { kind: "failed", returnTime: recorder.time(), error: message };
      }
      return { kind: "unknown", error: message };
    }
  }
}
