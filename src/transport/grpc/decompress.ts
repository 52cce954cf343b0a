/** Request messages as their compression says, with a cap on the output (a small bomb stays small). */
import { errorMessage } from "../../base/error-message.ts";
import { gunzipSync } from "node:zlib";
import type { GrpcRequestHead } from "./request-head.ts";
import { INTERNAL, RESOURCE_EXHAUSTED } from "./status.ts";

/** A status to answer with instead of a message. */
interface MessageError {
  readonly code: number;
  readonly message: string;
}

/** Undoes compression as the flag and the head say, or says what to answer. */
export function decodeMessage(
  compression: number,
  body: Buffer,
  head: GrpcRequestHead,
  maxBytes: number,
): Uint8Array | MessageError {
  if (compression === 0) return body;
  if (compression !== 1) {
    return { code: INTERNAL, message: `grpc: received unexpected payload format ${compression}` };
  }
  if (head.encoding === "identity") {
    const message = "grpc: compressed flag set with identity or empty encoding";
    return { code: INTERNAL, message };
  }
  return gunzipMessage(body, maxBytes);
}

function gunzipMessage(body: Uint8Array, maxBytes: number): Uint8Array | MessageError {
  try {
    return gunzipSync(body, { maxOutputLength: Math.max(maxBytes, 1) });
  } catch (error) {
    if (error instanceof RangeError) {
      const message = `grpc: received message after decompression larger than max ${maxBytes}`;
      return { code: RESOURCE_EXHAUSTED, message };
    }
    const reason = errorMessage(error);
    return {
      code: INTERNAL,
      message: `grpc: failed to decompress the received message: ${reason}`,
    };
  }
}
