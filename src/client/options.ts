/**
 * What a user of the client gives: options of the client and options of one call. Only the names
 * are looked at here; defaults are applied where they are used and are named in the comments.
 */
import { optionNames, unknownOption } from "../base/known-options.ts";
import type { Clock } from "../env/clock.ts";
import { checkDuration, mustBeFunction, mustBeText, mustBeWhole, wrong } from "./arguments.ts";
import type { ClientEvent, ClientLogger } from "./events.ts";

/** Keys and values may be given as text (UTF-8) or as bytes. */
export type Bytes = string | Uint8Array;

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/** As in `node:tls`: PEM text or bytes. */
export type Pem = string | Uint8Array;

export interface TlsOptions {
  /** Certificate authorities to trust; default: the system's. */
  readonly ca?: Pem | readonly Pem[] | undefined;
  /** Client certificate and its key, for servers with `--client-cert-auth`. */
  readonly cert?: Pem | undefined;
  readonly key?: Pem | undefined;
  readonly passphrase?: string | undefined;
  /** Name to verify and to send as SNI; default: the host of the endpoint. */
  readonly serverName?: string | undefined;
  /** Accepts any certificate. For tests only. Default false. */
  readonly insecureSkipVerify?: boolean | undefined;
}

export interface EtcdClientOptions {
  /**
   * "http://host:port", "https://host:port", "host:port", "unix:///path" or "unixs:///path", one
   * or several of one cluster. Default "http://127.0.0.1:2379".
   */
  readonly endpoints?: string | readonly string[] | undefined;
  readonly credentials?: Credentials | undefined;
  /**
   * The token of a login that was made elsewhere, for programs that call on behalf of somebody. It
   * is not renewed, and has no meaning beside `credentials`.
   */
  readonly token?: string | undefined;
  /** Also makes endpoints without a scheme secure. */
  readonly tls?: TlsOptions | undefined;
  /**
   * Longest time to establish one connection, and longest time that a call without a deadline
   * waits until any endpoint can be reached. Default 5000.
   */
  readonly dialTimeoutMs?: number | undefined;
  /** Deadline of calls that give none. Default: none. Streams and iterators have none. */
  readonly requestTimeoutMs?: number | undefined;
  /** Pings a connection that has open calls and is silent for so long. Default 30 000. */
  readonly keepaliveIntervalMs?: number | undefined;
  /** A ping unanswered for so long ends the connection. Default 10 000. */
  readonly keepaliveTimeoutMs?: number | undefined;
  /** Attempts of a call that is safe to repeat, the first included. Default 5. */
  readonly maxAttempts?: number | undefined;
  /** Pause before the first repetition and before the second dial; doubles. Default 50. */
  readonly backoffMs?: number | undefined;
  /** Upper bound of the doubling. Default 2000. */
  readonly maxBackoffMs?: number | undefined;
  /** Largest answer. Default 2^31-1, as in etcd's own client. */
  readonly maxMessageBytes?: number | undefined;
  /** Gets a line when a connection comes or breaks and when a call is sent again. `console` will do. */
  readonly logger?: ClientLogger | undefined;
  /** Is told of connections and calls, for metrics and traces. */
  readonly onEvent?: ((event: ClientEvent) => void) | undefined;
  /** gRPC metadata that every call carries, such as what a proxy on the way asks for. */
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** Time as an argument, for tests. Default: the process's monotonic clock. */
  readonly clock?: Clock | undefined;
  /** Numbers in [0, 1) for jitter, for tests. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** The last argument of every call; most calls add options of their own to it. */
export interface CallOptions {
  /** Ends the call; it then rejects with kind "aborted" and the signal's reason as `cause`. */
  readonly signal?: AbortSignal | undefined;
  /** Time for the whole call, with all its attempts. Default: the client's `requestTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** Asks this endpoint only, be it one of the client's or not. */
  readonly endpoint?: string | undefined;
  /**
   * Fails with kind "noLeader" at a member that has lost its leader. Default false for calls, true
   * for watches.
   */
  readonly requireLeader?: boolean | undefined;
}

const CLIENT_OPTIONS = optionNames<EtcdClientOptions>({
  endpoints: true,
  credentials: true,
  token: true,
  tls: true,
  dialTimeoutMs: true,
  requestTimeoutMs: true,
  keepaliveIntervalMs: true,
  keepaliveTimeoutMs: true,
  maxAttempts: true,
  backoffMs: true,
  maxBackoffMs: true,
  maxMessageBytes: true,
  logger: true,
  onEvent: true,
  metadata: true,
  clock: true,
  random: true,
});

const TLS_OPTIONS = optionNames<TlsOptions>({
  ca: true,
  cert: true,
  key: true,
  passphrase: true,
  serverName: true,
  insecureSkipVerify: true,
});

const CREDENTIALS = optionNames<Credentials>({ username: true, password: true });

const DURATIONS = [
  "dialTimeoutMs",
  "requestTimeoutMs",
  "keepaliveIntervalMs",
  "keepaliveTimeoutMs",
  "backoffMs",
  "maxBackoffMs",
] as const;

/** Throws `TypeError` with the name of an option that does not exist, or has no sense. */
export function checkClientOptions(options: EtcdClientOptions): void {
  checkOptions("EtcdClient", options, CLIENT_OPTIONS);
  const { tls, credentials, endpoints, logger } = options;
  if (tls !== undefined) checkOptions("tls", tls, TLS_OPTIONS);
  if (credentials !== undefined) {
    checkOptions("credentials", credentials, CREDENTIALS);
    mustBeText("credentials.username", credentials.username);
    mustBeText("credentials.password", credentials.password);
  }
  if (endpoints !== undefined) checkEndpoints(endpoints);
  for (const name of DURATIONS) checkDuration(name, options[name]);
  for (const name of ["maxAttempts", "maxMessageBytes"] as const) {
    const value = options[name];
    if (value !== undefined) mustBeWhole(name, value);
  }
  if (options.token !== undefined) mustBeText("token", options.token);
  if (options.onEvent !== undefined) mustBeFunction("onEvent", options.onEvent);
  if (logger === undefined) return;
  for (const level of ["debug", "info", "warn"] as const) {
    mustBeFunction(`logger.${level}`, logger?.[level]);
  }
}

export function checkEndpoints(endpoints: string | readonly string[]): void {
  if (typeof endpoints === "string") return;
  if (!Array.isArray(endpoints)) throw wrong("endpoints", "text, or a list of texts", endpoints);
  for (const endpoint of endpoints) mustBeText("endpoint", endpoint);
}

/** Names of `CallOptions`, for the types that add options of their own. */
export const CALL_OPTIONS = {
  signal: true,
  timeoutMs: true,
  endpoint: true,
  requireLeader: true,
} as const satisfies Readonly<Record<keyof CallOptions, true>>;

/** For calls without options of their own. */
export const CALL_OPTION_NAMES = optionNames<CallOptions>(CALL_OPTIONS);

/** The same for the call of a method, such as "/etcdserverpb.Auth/UserAdd". */
export function checkCallOptions(path: string, options: object, known: ReadonlySet<string>): void {
  mustBeObject(path.slice(1), options);
  for (const name in options) {
    if (known.has(name)) continue;
    const method = path.slice(path.lastIndexOf("/") + 1);
    checkOptions(method.charAt(0).toLowerCase() + method.slice(1), options, known);
  }
}

/** As for the client's options: throws `TypeError`. */
export function checkOptions(where: string, options: object, known: ReadonlySet<string>): void {
  mustBeObject(where, options);
  const problem = unknownOption(where, options, known);
  if (problem !== undefined) throw new TypeError(problem);
}

function mustBeObject(where: string, options: object): void {
  if (typeof options !== "object" || options === null) {
    throw wrong(`${where}: the last argument`, "an object of options", options);
  }
}
