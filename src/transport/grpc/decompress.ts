/** Decompression of request messages, with a cap on the output (a small bomb must stay small). */
import { gunzipSync } from "node:zlib";
import { INTERNAL, RESOURCE_EXHAUSTED } from "./status.ts";

/** A status to answer with instead of a message. */
export interface MessageError {
  readonly code: number;
  readonly message: string;
}

export function gunzipMessage(body: Uint8Array, maxBytes: number): Uint8Array | MessageError {
  try {
    return gunzipSync(body, { maxOutputLength: Math.max(maxBytes, 1) });
  } catch (error) {
    if (error instanceof RangeError) {
      const message = `grpc: received message after decompression larger than max ${maxBytes}`;
      return { code: RESOURCE_EXHAUSTED, message };
    }
    const reason = error instanceof Error ? error.message : String(error);
    return {
      code: INTERNAL,
      message: `grpc: failed to decompress the received message: ${reason}`,
    };
  }
}
