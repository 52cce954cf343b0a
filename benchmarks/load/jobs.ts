/** What a load generator is told to do, and what it answers. Plain data: it crosses processes. */
import type { LatencySummary } from "./histogram.ts";
import type { KeyChoice } from "./key-choice.ts";
import type { RequestKind } from "./requests.ts";

/** Every stream of every connection sends its next request when it has the last one's answer. */
export interface ClosedLoopJob extends KeyChoice {
  readonly kind: "closedLoop";
  /** Connections take these in turn. */
  readonly ports: readonly number[];
  /** Over TLS; the server's certificate is not verified. Default false. */
  readonly isSecure?: boolean;
  readonly connections: number;
  readonly streams: number;
  /** Several are sent in turn. */
  readonly request: RequestKind | readonly RequestKind[];
  /** Goes with every request as gRPC metadata, as etcd's clients send it. Default: none. */
  readonly token?: string;
  /** Not measured. */
  readonly warmUpSeconds: number;
  readonly limit: LoadLimit;
}

/** "stop" waits for the message to stop. */
export type LoadLimit = { readonly seconds: number } | { readonly requests: number } | "stop";

/** So many requests a second, on one connection to each member, whatever is answered. */
export interface OpenLoopJob extends KeyChoice {
  readonly kind: "openLoop";
  /** Requests go to these in turn. */
  readonly ports: readonly number[];
  /** Sent in turn. */
  readonly requests: readonly RequestKind[];
  readonly perSecond: number;
  /** Not measured. */
  readonly warmUpSeconds: number;
  readonly limit: { readonly seconds: number } | "stop";
}

/** Watchers of one key, or of each of many; the next put follows when all have seen the last. */
export interface WatchJob {
  readonly kind: "watch";
  readonly port: number;
  readonly connections: number;
  /** Of all keys together. */
  readonly watchers: number;
  /** The watchers are spread over so many keys, which are put in turn. Default 1. */
  readonly keys?: number;
  readonly valueBytes: number;
  readonly seconds: number;
}

/** Every stream keeps its own lease alive, as fast as it is answered. */
export interface KeepAliveJob {
  readonly kind: "keepAlive";
  readonly port: number;
  readonly connections: number;
  readonly streams: number;
  readonly seconds: number;
}

/** Every connection ends once its TLS handshake is done, and the next one begins. */
export interface HandshakeJob {
  readonly kind: "handshakes";
  readonly port: number;
  /** At a time. */
  readonly connections: number;
  readonly seconds: number;
}

/** Keys of the v2 API, on connections of which each has one request under way. */
export interface V2Job {
  readonly kind: "v2";
  readonly port: number;
  readonly connections: number;
  readonly operation: "set" | "get";
  readonly valueBytes: number;
  readonly seconds: number;
}

/** Waiters for one key of the v2 API, who wait again after each change. */
export interface V2WaitJob {
  readonly kind: "v2Wait";
  readonly port: number;
  readonly waiters: number;
  readonly valueBytes: number;
  readonly seconds: number;
}

/** Values that span many frames, by clients that heed the windows of streams. */
export interface LargeValueJob {
  readonly kind: "largeValues";
  readonly port: number;
  /** Each has one request under way. */
  readonly connections: number;
  readonly operation: "put" | "get";
  readonly valueBytes: number;
  readonly keys: number;
  readonly seconds: number;
}

/** Streams the whole database, and keeps nothing of it. An operation is a megabyte. */
export interface SnapshotJob {
  readonly kind: "snapshot";
  readonly port: number;
}

export type LoadJob =
  | ClosedLoopJob
  | OpenLoopJob
  | WatchJob
  | KeepAliveJob
  | HandshakeJob
  | V2Job
  | V2WaitJob
  | LargeValueJob
  | SnapshotJob;

export interface LoadResult {
  /** Operations that were answered with success while measured. */
  readonly operations: number;
  readonly errors: number;
  readonly seconds: number;
  readonly latency: LatencySummary;
}

/** To a generator at work. */
export const STOP_MESSAGE = "stop";

export type GeneratorReply =
  | { readonly kind: "done"; readonly result: LoadResult }
  | { readonly kind: "failed"; readonly message: string };
