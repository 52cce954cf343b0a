/**
 * The one error type of the client. Whatever goes wrong on the way, in the transport or on the
 * server, is mapped here once; users switch on `kind`.
 */
import { errorMessage } from "../base/error-message.ts";
import { ERRORS, type ErrorKind, StatusCode } from "../api/errors.ts";
import { RpcError } from "../transport/client/rpc-error.ts";

/** Kinds for statuses that are none of etcd's own errors, and for what only a client can see. */
export type ClientErrorKind =
  | ErrorKind
  | "unknown"
  | "invalidArgument"
  | "notFound"
  | "alreadyExists"
  | "resourceExhausted"
  | "failedPrecondition"
  | "conflict"
  | "outOfRange"
  | "unimplemented"
  | "internal"
  | "unavailable"
  | "dataLoss"
  | "unauthenticated"
  /** The caller's `AbortSignal` fired. */
  | "aborted"
  /** The client was closed. */
  | "clientClosed"
  /** The server cancelled a watch, for a reason that is none of etcd's errors. */
  | "watchCanceled"
  /** A lease expired, was revoked, or may have expired for lack of answers. */
  | "leaseLost"
  /** A snapshot's data does not match its checksum, or ended early. */
  | "snapshotCorrupt"
  /** The campaign's key is gone: this session does not lead. */
  | "notElected";

export interface ClientErrorInfo {
  readonly code: number;
  readonly kind: ClientErrorKind;
  /** Default false. */
  readonly outcomeUnknown?: boolean | undefined;
  readonly endpoint?: string | undefined;
  readonly attempts?: number | undefined;
  readonly compactRevision?: number | undefined;
  readonly cause?: unknown;
}

/** Everything that a call of the client rejects with. */
export class EtcdClientError extends Error {
  /** gRPC status code. */
  readonly code: number;
  readonly kind: ClientErrorKind;
  /**
   * True when a write may or may not have happened: it was sent, and no answer says which. Read
   * before writing again, or make the write conditional. Always false for reads.
   */
  readonly outcomeUnknown: boolean;
  /** The endpoint that answered or failed; undefined when none was reached. */
  readonly endpoint: string | undefined;
  /** How often the call was sent or tried to be sent. */
  readonly attempts: number;
  /** For kind "compacted" of a watch: the oldest revision that can be watched. Otherwise 0. */
  readonly compactRevision: number;

  constructor(message: string, info: ClientErrorInfo) {
    super(message, info.cause === undefined ? undefined : { cause: info.cause });
    // What `fetch` and node's own promises call it, so that callers can test one name.
    this.name = info.kind === "aborted" ? "AbortError" : "EtcdClientError";
    this.code = info.code;
    this.kind = info.kind;
    this.outcomeUnknown = info.outcomeUnknown ?? false;
    this.endpoint = info.endpoint;
    this.attempts = info.attempts ?? 0;
    this.compactRevision = info.compactRevision ?? 0;
  }
}

/** True if `error` is the client's error of this kind. */
export function isErrorKind(error: unknown, kind: ClientErrorKind): error is EtcdClientError {
  return error instanceof EtcdClientError && error.kind === kind;
}

/** Kind by gRPC code, for messages that are none of etcd's. */
const CODE_KINDS: readonly ClientErrorKind[] = [
  "unknown",
  "canceled",
  "unknown",
  "invalidArgument",
  "deadlineExceeded",
  "notFound",
  "alreadyExists",
  "permissionDenied",
  "resourceExhausted",
  "failedPrecondition",
  "conflict",
  "outOfRange",
  "unimplemented",
  "internal",
  "unavailable",
  "dataLoss",
  "unauthenticated",
];

let kindsByMessage: ReadonlyMap<string, ErrorKind> | undefined;

/** The kind of a status; the two spellings of a deadline and of a cancellation are one kind. */
export function kindOfStatus(code: number, message: string): ClientErrorKind {
  kindsByMessage ??= new Map(
    Object.entries(ERRORS).map(([kind, { message: text }]) => [text, kind as ErrorKind]),
  );
  const known = kindsByMessage.get(message) ?? kindsByMessage.get(translated(message));
  const kind = known ?? CODE_KINDS[code] ?? "unknown";
  if (kind === "contextDeadlineExceeded") return "deadlineExceeded";
  if (kind === "contextCanceled") return "canceled";
  return kind;
}

/** Members older than 3.6 answer some calls in the words that they use among themselves. */
function translated(message: string): string {
  if (message === "auth: revision in header is old") return ERRORS.authOldRevision.message;
  return message.replace(/^auth: /, "etcdserver: ");
}

/** Parses "rpc error: code = X desc = Y", as it stands in the cancel reason of watches. */
export function kindOfReason(reason: string): ClientErrorKind {
  const message = /^rpc error: code = \w+ desc = (.*)$/s.exec(reason)?.[1] ?? reason;
  const kind = kindOfStatus(StatusCode.UNKNOWN, message);
  return kind === "unknown" ? "watchCanceled" : kind;
}

/** Codes after which a sent write may or may not have happened. */
const AMBIGUOUS_CODES: ReadonlySet<number> = new Set([
  StatusCode.CANCELLED,
  StatusCode.UNKNOWN,
  StatusCode.DEADLINE_EXCEEDED,
  StatusCode.INTERNAL,
  StatusCode.UNAVAILABLE,
  StatusCode.DATA_LOSS,
]);

/** Refused before anything was proposed, in spite of their codes. */
const REFUSED_KINDS: ReadonlySet<ClientErrorKind> = new Set([
  "tooManyRequests",
  "memberNotEnoughStarted",
  "unhealthy",
  "noPasswordUser",
  "authVerifyOnly",
  "corrupt",
  "unknownMethod",
]);

/** Whether a sent write that failed so may have happened all the same. */
export function mayHaveHappened(error: RpcError): boolean {
  if (error.unprocessed || !AMBIGUOUS_CODES.has(error.code)) return false;
  return !REFUSED_KINDS.has(kindOfStatus(error.code, error.message));
}

/** The transport's error as the client's; `isWrite` decides about `outcomeUnknown`. */
export function fromRpcError(
  error: RpcError,
  isWrite: boolean,
  endpoint: string | undefined,
  attempts: number,
): EtcdClientError {
  return new EtcdClientError(error.message, {
    code: error.code,
    kind: kindOfStatus(error.code, error.message),
    outcomeUnknown: isWrite && mayHaveHappened(error),
    endpoint,
    attempts,
  });
}

export function closedError(outcomeUnknown = false): EtcdClientError {
  return new EtcdClientError("the client is closed", {
    code: StatusCode.CANCELLED,
    kind: "clientClosed",
    outcomeUnknown,
  });
}

export function abortedError(reason: unknown, outcomeUnknown = false): EtcdClientError {
  return new EtcdClientError("the call was aborted", {
    code: StatusCode.CANCELLED,
    kind: "aborted",
    outcomeUnknown,
    cause: reason,
  });
}

/** `cause`: what kept the call from succeeding in time, if anything is known. */
export function deadlineError(cause?: unknown): EtcdClientError {
  // A connection that cannot be made is tried again until time is up: say why it cannot.
  const reason = cause instanceof RpcError ? `; ${cause.message}` : "";
  return new EtcdClientError(`context deadline exceeded${reason}`, {
    code: StatusCode.DEADLINE_EXCEEDED,
    kind: "deadlineExceeded",
    cause,
  });
}

/** Whatever was thrown, as the client's error. */
export function toClientError(error: unknown): EtcdClientError {
  if (error instanceof EtcdClientError) return error;
  if (error instanceof RpcError) return fromRpcError(error, false, undefined, 0);
  const message = errorMessage(error);
  return new EtcdClientError(message, {
    code: StatusCode.INTERNAL,
    kind: "internal",
    cause: error,
  });
}
