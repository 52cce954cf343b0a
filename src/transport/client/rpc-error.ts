/** How a call can fail, in gRPC's terms, and how HTTP/2's and HTTP's failures map to them. */
import { formatStatus } from "../../api/errors.ts";
import { errorName } from "../http2/constants.ts";
import {
  CANCELLED,
  INTERNAL,
  RESOURCE_EXHAUSTED,
  UNAVAILABLE,
  UNIMPLEMENTED,
  UNKNOWN,
} from "../grpc/status.ts";

export class RpcError extends Error {
  /** gRPC status code. */
  readonly code: number;
  /** The server has certainly not processed the call: safe to send again. */
  readonly unprocessed: boolean;

  constructor(code: number, message: string, unprocessed = false) {
    super(message);
    this.name = "RpcError";
    this.code = code;
    this.unprocessed = unprocessed;
  }

  /** As Go prints it. */
  override toString(): string {
    return formatStatus(this.code, this.message);
  }
}

const REFUSED = 7;

/** A stream that the server reset (gRPC over HTTP/2, "HTTP2 Transport Mapping: Errors"). */
export function resetError(http2Code: number): RpcError {
  const message = `stream terminated by RST_STREAM with error code: ${errorName(http2Code)}`;
  switch (http2Code) {
    case REFUSED:
      return new RpcError(UNAVAILABLE, message, true);
    case 8:
      return new RpcError(CANCELLED, message);
    case 11:
      return new RpcError(RESOURCE_EXHAUSTED, message);
    case 12:
      return new RpcError(7, message);
    default:
      return new RpcError(INTERNAL, message);
  }
}

/** An answer that is not gRPC's. */
export function httpStatusError(status: number): RpcError {
  const message = `unexpected HTTP status code received from server: ${status}`;
  switch (status) {
    case 400:
      return new RpcError(INTERNAL, message);
    case 401:
      return new RpcError(16, message);
    case 403:
      return new RpcError(7, message);
    case 404:
      return new RpcError(UNIMPLEMENTED, message);
    case 429:
    case 502:
    case 503:
    case 504:
      return new RpcError(UNAVAILABLE, message);
    default:
      return new RpcError(UNKNOWN, message);
  }
}
