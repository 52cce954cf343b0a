/** How outcomes leave: as a reply, or as an error with its gRPC code, mapped here and only here. */
import { errorMessage } from "../../base/error-message.ts";
import { EtcdError, StatusCode } from "../../api/errors.ts";
import type { MessageType } from "../../api/message-type.ts";
import { DecodeError } from "../../base/wire.ts";
import type { Call, StreamCall, UnaryCall } from "../../env/index.ts";
import type { Outcome } from "../log/proposals.ts";

export function finish(call: UnaryCall, outcome: Outcome): void {
  if (outcome.error !== undefined) failWith(call, outcome.error);
  else if (outcome.reply.length === 1 && outcome.reply[0] !== undefined)
    call.reply(outcome.reply[0]);
  else call.replyParts(outcome.reply);
}

export function failWith(call: UnaryCall, error: unknown): void {
  const status = statusOf(error);
  call.fail(status.code, status.message);
}

/** Ends a call that nobody waits for any more: until then it counts as one of its connection's. */
export function giveUp(call: UnaryCall): void {
  failWith(call, new EtcdError("contextCanceled"));
}

/** As `failWith`, for a stream. */
export function finishWith(call: StreamCall, error: unknown): void {
  const status = statusOf(error);
  call.finish(status.code, status.message);
}

/** A message of a stream; undefined after telling `end` that it is malformed. */
export function decodeOrEnd<T>(
  codec: MessageType<T>,
  message: Uint8Array,
  end: (code: number, message: string) => void,
): T | undefined {
  try {
    return codec.decode(message);
  } catch (error) {
    const status = statusOf(error);
    end(status.code, status.message);
    return undefined;
  }
}

/** The gRPC status of an error. What is none of ours is a bug: code Unknown, with its text. */
export function statusOf(error: unknown): { readonly code: number; readonly message: string } {
  if (error instanceof EtcdError) return { code: error.code, message: error.message };
  if (error instanceof DecodeError) {
    return {
      code: StatusCode.INTERNAL,
      message: `grpc: error unmarshalling request: ${error.message}`,
    };
  }
  return {
    code: StatusCode.UNKNOWN,
    message: errorMessage(error),
  };
}

/** The caller's authentication token, as gRPC and as HTTP clients name it. */
export function tokenOf(call: Call): string | undefined {
  return call.metadata("token") ?? call.metadata("authorization");
}
