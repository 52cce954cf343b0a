/** The two contracts between an HTTP/2 connection and its owner. */
import type { HeaderBlock } from "./header-block.ts";
import type { OutputBudget } from "./output-budget.ts";
import type { Http2Stream, StreamHandler } from "./stream.ts";

/** What a connection tells its owner. No method may throw. */
export interface ConnectionHost {
  /** Output waits; called once until `takeOutput`. */
  wantFlush(): void;
  /** Output that is better written now than at the end of the turn: much, and more is to come. */
  flushNow(): void;
  /** Server: a valid request head arrived. Client halves never get it. */
  onRequest(stream: Http2Stream, head: HeaderBlock, endStream: boolean): StreamHandler;
  /**
   * Nothing more will be read or queued; close the socket once the output is written. Comes before
   * the open streams hear of it, so that they can say why.
   */
  onFinished(code: number, reason: string): void;
  /** The peer sends GOAWAY: streams above `lastStreamId` were not processed. */
  onGoaway(lastStreamId: number, code: number, debug: string): void;
  /** The peer's SETTINGS have come into force. */
  onSettings(): void;
  /** After `drain`, a server: from now on no request of the peer is taken. */
  onFinalGoaway(): void;
  /** A stream has left; a client may open another. */
  onStreamGone(): void;
}

export interface ConnectionOptions {
  readonly isServer: boolean;
  readonly nowMs: number;
  /** Server: streams that the peer may have open. */
  readonly maxConcurrentStreams: number;
  /** Server: `--grpc-keepalive-min-time`. */
  readonly keepaliveMinTimeMs: number;
  /** Shared by the connections of a listener; default: this connection's own limit only. */
  readonly outputBudget?: OutputBudget | undefined;
  /** Server: work per turn of the loop, see `TURN_COST`; default: without end. */
  readonly turnCost?: number;
  /** Ping an idle peer after this long; Infinity for never. */
  readonly keepaliveIntervalMs: number;
  /** And close when nothing comes back within this. */
  readonly keepaliveTimeoutMs: number;
  /** Client: default 1; an odd number, for tests of the last ids. */
  readonly firstStreamId?: number;
  /** Client: ping also while no stream is open. */
  readonly keepaliveWithoutStreams?: boolean;
}
