/**
 * What the client asks of its surroundings: connections, and who wants to know that somebody waits.
 * Over sockets both are the transport's (`dial.ts`); `etcd-ts/testing` has ways without a wire.
 */
import type { CallHandler } from "../transport/client/client-call.ts";
import type { ClientStream, Metadata } from "../transport/client/connection.ts";
import type { Dial, DialOptions } from "./dial.ts";
import type { Target } from "./target.ts";

export type { Dial, DialOptions, Target };

/** A method with its metadata, as its connection made it. */
export type CallHead = object;

/** The sending side of a streaming call. */
export type ConnectionStream = Pick<
  ClientStream,
  "send" | "halfClose" | "cancel" | "pauseReceiving" | "resumeReceiving"
>;

/** A connection that stands, or has stood. */
export interface Connection {
  /** It takes no more calls. */
  readonly closing: boolean;
  readonly openCalls: number;
  method(path: string, metadata?: Metadata): CallHead;
  /** One request, one answer. Takes ownership of `body`. `head` is of this connection. */
  call(
    head: CallHead,
    body: Uint8Array,
    handler: CallHandler,
    deadlineMs?: number,
  ): { cancel(): void };
  stream(
    path: string,
    handler: CallHandler,
    options: { readonly metadata: Metadata },
  ): ConnectionStream;
  /** At once; open calls fail with UNAVAILABLE. */
  close(): void;
}

export interface Ways {
  dial(target: Target, options: DialOptions): Dial;
  /** Somebody waits for an answer to this method, or for a stream, until the returned is called. */
  readonly begun?: (path: string) => () => void;
}
