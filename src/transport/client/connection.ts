/**
 * One client connection: unary calls (a promise API and a cheaper callback API) and streams over
 * our HTTP/2. Reconnecting, balancing and retrying are for the layers above. Imports nothing
 * heavy, so that a command-line tool starts quickly.
 */
import { joinHostPort } from "../../base/port.ts";
import { connect as netConnect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { MAX_MESSAGE_BYTES } from "../../api/message-size.ts";
import type { Clock, Timer } from "../../env/clock.ts";
import { SystemClock } from "../../env/system-clock.ts";
import { FlushQueue } from "../flush-queue.ts";
import { Deadlines } from "../grpc/deadlines.ts";
import type { PartialBudget } from "../grpc/message-reader.ts";
import { DEADLINE_EXCEEDED, UNAVAILABLE } from "../grpc/status.ts";
import { dialReason } from "../../base/dial-reason.ts";
import { formatTimeout } from "../../base/grpc-timeout.ts";
import { Http2Connection } from "../http2/connection.ts";
import { errorName, NO_ERROR } from "../http2/constants.ts";
import type { ConnectionHost } from "../http2/connection-host.ts";
import {
  HeaderTemplate,
  MODE_INDEX,
  MODE_NEVER,
  OutgoingField,
  type OutgoingFields,
} from "../http2/hpack-encoder.ts";
import { IGNORE_STREAM, type StreamHandler } from "../http2/stream.ts";
import { HOUSEKEEPING_INTERVAL_MS } from "../limits.ts";
import { SocketDriver } from "../socket-driver.ts";
import { type CallHandler, type CallOwner, ClientCall } from "./client-call.ts";
import { RpcError } from "./rpc-error.ts";

export interface ClientOptions {
  /** Default: the process's monotonic clock. */
  readonly clock?: Clock | undefined;
  /** Until the server's SETTINGS; default 20 s. */
  readonly connectTimeoutMs?: number | undefined;
  /** `:authority`; default "host:port". */
  readonly authority?: string | undefined;
  /** ":scheme"; default "http". */
  readonly scheme?: "http" | "https" | undefined;
  readonly userAgent?: string | undefined;
  /** Largest answer; default 2^31-1, as etcd's client. */
  readonly maxMessageBytes?: number | undefined;
  /** Ping a silent server after this long; default never. */
  readonly keepaliveIntervalMs?: number | undefined;
  /** And give it up after this long; default 20 s. */
  readonly keepaliveTimeoutMs?: number | undefined;
  /** Ping also while no call is open; default false. */
  readonly keepaliveWithoutStreams?: boolean | undefined;
  /** The connection has ended; every call has had its error. Called once. */
  readonly onClose?: ((reason: string) => void) | undefined;
  /** The server goes away: open calls may finish, new ones belong elsewhere. */
  readonly onGoaway?: (() => void) | undefined;
}

/** Values of keys that end in "-bin" are latin1 strings of the bytes. */
export type Metadata = Readonly<Record<string, string>>;

export interface CallOptions {
  /** `Clock.nowMs` scale (`connection.nowMs()`); default none. */
  readonly deadlineMs?: number | undefined;
  readonly metadata?: Metadata | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A method with its metadata, encoded once; from `ClientConnection.method`. */
class ClientMethod {
  readonly template: HeaderTemplate;

  constructor(fields: OutgoingFields) {
    this.template = new HeaderTemplate(fields);
  }
}

/** The sending side of a streaming call. */
export class ClientStream {
  readonly #connection: Http2Connection;
  readonly #call: ClientCall;
  #waiting: Uint8Array[][] = [];
  #halfClosed = false;

  constructor(connection: Http2Connection, call: ClientCall) {
    this.#connection = connection;
    this.#call = call;
  }

  /** Queues one message made of `parts`. Takes ownership. */
  send(...parts: Uint8Array[]): void {
    const { stream, ended } = this.#call;
    if (ended || this.#halfClosed) return;
    if (stream === undefined) this.#waiting.push(parts);
    else this.#connection.send.message(stream, parts, false);
  }

  /** No more messages from us. */
  halfClose(): void {
    const { stream } = this.#call;
    this.#halfClosed = true;
    if (stream !== undefined) this.#connection.send.data(stream, NO_BYTES, true);
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** Bytes queued and not yet handed to the socket. */
  get bufferedBytes(): number {
    return this.#call.stream?.queuedBytes ?? 0;
  }

  /** Stops granting window to the server, or goes on. */
  pauseReceiving(): void {
    this.#call.stream?.pauseReceiving();
  }

  resumeReceiving(): void {
    if (this.#call.stream !== undefined) this.#connection.resumeReceiving(this.#call.stream);
  }

  /** The stream is open now; sends what has waited for it. */
  opened(): void {
    const { stream } = this.#call;
    if (stream === undefined) return;
    for (const parts of this.#waiting) this.#connection.send.message(stream, parts, false);
    this.#waiting = [];
    if (this.#halfClosed) this.#connection.send.data(stream, NO_BYTES, true);
  }
}

const NO_BYTES: Uint8Array = new Uint8Array(0);
const CLOSED = "connection closed";
/** Of a server's GOAWAY text; real ones are a few words. */
const MAX_DEBUG_CHARS = 256;
const flushQueue = new FlushQueue();

export class ClientConnection implements ConnectionHost, CallOwner {
  readonly http2: Http2Connection;
  readonly maxMessageBytes: number;
  readonly budget: PartialBudget = {
    partialBytes: 0,
    maxPartialBytes: Number.POSITIVE_INFINITY,
  };
  closeReason = CLOSED;
  readonly #options: ClientOptions;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #driver: SocketDriver;
  readonly #authority: string;
  readonly #methods = new Map<string, ClientMethod>();
  /** Calls that wait for the server's limit of concurrent streams. */
  #waiting: (() => void)[] = [];
  #waitingHead = 0;
  #housekeeping: Timer | undefined;
  #ready: ((error: Error | undefined) => void) | undefined;
  #closed = false;

  /** Speaks over a connected socket. `plain`: TCP or unix, not TLS and not in memory. */
  constructor(socket: Duplex, authority: string, plain: boolean, options: ClientOptions) {
    this.#options = options;
    this.#clock = options.clock ?? new SystemClock();
    this.#deadlines = new Deadlines(this.#clock);
    this.#authority = options.authority ?? authority;
    this.maxMessageBytes = options.maxMessageBytes ?? MAX_MESSAGE_BYTES;
    this.http2 = new Http2Connection(this, {
      isServer: false,
      nowMs: this.#clock.nowMs(),
      maxConcurrentStreams: 0,
      keepaliveMinTimeMs: 0,
      keepaliveIntervalMs: options.keepaliveIntervalMs ?? Number.POSITIVE_INFINITY,
      keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 20_000,
      keepaliveWithoutStreams: options.keepaliveWithoutStreams ?? false,
    });
    // Before the driver's own listener, which ends the connection. In TLS 1.3 a server says only
    // after the handshake that it does not accept the client's certificate.
    socket.on("error", (error) => {
      if (this.closeReason === CLOSED) {
        this.closeReason = `error reading from server: ${dialReason(error)}`;
      }
    });
    this.#driver = new SocketDriver(socket, this.http2, this.#clock, flushQueue, plain, () =>
      this.#onClosed(),
    );
    this.#driver.start(undefined);
    this.#keepHouse();
  }

  /** Resolves once the server has spoken HTTP/2. */
  ready(): Promise<void> {
    if (this.http2.settingsReceived) return Promise.resolve();
    if (this.#closed) return Promise.reject(new RpcError(UNAVAILABLE, this.closeReason));
    return new Promise((resolve, reject) => {
      this.#ready = (error) => (error === undefined ? resolve() : reject(error));
    });
  }

  /** No new calls: closed, or the server said GOAWAY. */
  get closing(): boolean {
    return this.#closed || this.http2.closing;
  }

  get openCalls(): number {
    return this.http2.streams.size;
  }

  /** The scale of `deadlineMs`. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** Lets open calls finish, then closes. */
  drain(): void {
    this.http2.drain();
  }

  /** Closes at once; open calls fail with UNAVAILABLE. */
  close(): void {
    if (!this.#closed) this.closeReason = "grpc: the client connection is closing";
    this.#driver.destroy();
  }

  // Calls.

  /** Sends one message, resolves with the one answer (not shared), rejects with `RpcError`. */
  unary(path: string, body: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      let answer: Uint8Array = NO_BYTES;
      const onAbort = (): void => call.cancel();
      const call = this.call(
        this.method(path, options.metadata),
        body,
        {
          onMessage: (message) => {
            answer = Uint8Array.prototype.slice.call(message);
          },
          onEnd: (error) => {
            signal?.removeEventListener("abort", onAbort);
            if (error === undefined) resolve(answer);
            else reject(signal?.aborted ? signal.reason : error);
          },
        },
        options.deadlineMs,
      );
      signal?.addEventListener("abort", onAbort);
    });
  }

  /** The fields of a path and its metadata; kept, when there is no metadata. */
  method(path: string, metadata?: Metadata): ClientMethod {
    const known = metadata === undefined ? this.#methods.get(path) : undefined;
    if (known !== undefined) return known;
    const fields = [
      new OutgoingField(":method", "POST"),
      new OutgoingField(":scheme", this.#options.scheme ?? "http"),
      new OutgoingField(":path", path, MODE_INDEX),
      new OutgoingField(":authority", this.#authority, MODE_INDEX),
      new OutgoingField("content-type", "application/grpc", MODE_INDEX),
      new OutgoingField("user-agent", this.#options.userAgent ?? "etcd-ts", MODE_INDEX),
      new OutgoingField("te", "trailers", MODE_INDEX),
    ];
    for (const [name, value] of Object.entries(metadata ?? {}))
      fields.push(metadataField(name, value));
    const method = new ClientMethod(fields);
    if (metadata === undefined) this.#methods.set(path, method);
    return method;
  }

  /**
   * The cheap way: no promise, the answer borrowed in `handler.onMessage`, then `handler.onEnd`.
   * `handler` may serve many calls. Takes ownership of `body`.
   */
  call(
    method: ClientMethod,
    body: Uint8Array,
    handler: CallHandler,
    deadlineMs: number = Number.POSITIVE_INFINITY,
  ): ClientCall {
    const call = new ClientCall(this, handler, true, deadlineMs);
    this.#start(call, method, () => {
      const { stream } = call;
      if (stream !== undefined) this.http2.send.message(stream, [body], true);
    });
    return call;
  }

  /** A streaming call; `handler.onMessage` gets every message. */
  stream(path: string, handler: CallHandler, options: CallOptions = {}): ClientStream {
    const { signal } = options;
    const deadlineMs = options.deadlineMs ?? Number.POSITIVE_INFINITY;
    const onAbort = (): void => call.cancel();
    const call = new ClientCall(
      this,
      {
        onMessage: (body) => handler.onMessage(body),
        onDrain: () => handler.onDrain?.(),
        onEnd: (error) => {
          signal?.removeEventListener("abort", onAbort);
          handler.onEnd(error);
        },
      },
      false,
      deadlineMs,
    );
    const stream = new ClientStream(this.http2, call);
    this.#start(call, this.method(path, options.metadata), () => stream.opened());
    if (signal?.aborted) queueMicrotask(onAbort);
    else signal?.addEventListener("abort", onAbort);
    return stream;
  }

  #start(call: ClientCall, method: ClientMethod, opened: () => void): void {
    if (call.deadlineMs !== Number.POSITIVE_INFINITY) this.#deadlines.add(call);
    if (this.http2.streams.size < this.http2.peerMaxConcurrentStreams) {
      this.#open(call, method, opened);
    } else {
      this.#waiting.push(() => this.#open(call, method, opened));
    }
  }

  #open(call: ClientCall, method: ClientMethod, opened: () => void): void {
    if (call.ended) return;
    let timeout: OutgoingField | undefined;
    if (call.deadlineMs !== Number.POSITIVE_INFINITY) {
      const leftMs = call.deadlineMs - this.#clock.nowMs();
      if (leftMs <= 0) {
        call.end(new RpcError(DEADLINE_EXCEEDED, "context deadline exceeded", true));
        return;
      }
      timeout = new OutgoingField("grpc-timeout", formatTimeout(leftMs));
    }
    call.stream = this.http2.openStream(call, method.template, timeout);
    if (call.stream === undefined) {
      call.end(new RpcError(UNAVAILABLE, this.#unavailableText(), true));
    } else {
      opened();
    }
  }

  #unavailableText(): string {
    return this.#closed || this.closeReason !== CLOSED
      ? this.closeReason
      : "the connection is draining";
  }

  removeDeadline(entry: ClientCall): void {
    this.#deadlines.remove(entry);
  }

  // ConnectionHost.

  wantFlush(): void {
    this.#driver.wantFlush();
  }

  flushNow(): void {
    this.#driver.flush();
  }

  onRequest(): StreamHandler {
    return IGNORE_STREAM;
  }

  onSettings(): void {
    this.#ready?.(undefined);
    this.#ready = undefined;
    this.#openWaiting();
  }

  onFinalGoaway(): void {}

  onStreamGone(): void {
    if (this.#waitingHead < this.#waiting.length) this.#openWaiting();
  }

  #openWaiting(): void {
    while (
      this.#waitingHead < this.#waiting.length &&
      (this.http2.streams.size < this.http2.peerMaxConcurrentStreams || this.closing)
    ) {
      const open = this.#waiting[this.#waitingHead++];
      if (this.#waitingHead === this.#waiting.length) {
        this.#waiting = [];
        this.#waitingHead = 0;
      }
      open?.();
    }
  }

  onGoaway(_lastStreamId: number, code: number, debug: string): void {
    const data = JSON.stringify(debug.slice(0, MAX_DEBUG_CHARS));
    this.closeReason = `connection closed, received prior goaway: code: ${errorName(code)}, debug data: ${data}`;
    this.#options.onGoaway?.();
    this.#openWaiting();
  }

  onFinished(code: number, reason: string): void {
    if (this.closeReason === CLOSED) {
      this.closeReason =
        code === NO_ERROR ? reason : `connection error: ${errorName(code)}: ${reason}`;
    }
    this.#driver.wantFlush();
  }

  #onClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#housekeeping?.cancel();
    this.#deadlines.stop();
    this.#ready?.(new RpcError(UNAVAILABLE, this.closeReason));
    this.#ready = undefined;
    this.#openWaiting();
    this.#options.onClose?.(this.closeReason);
  }

  #keepHouse(): void {
    this.#housekeeping = this.#clock.setTimer(HOUSEKEEPING_INTERVAL_MS, () => {
      this.#driver.tick(this.#clock.nowMs());
      if (!this.#closed) this.#keepHouse();
    });
  }
}

const SECRET_KEYS = new Set(["token", "authorization"]);

function metadataField(name: string, value: string): OutgoingField {
  const text = name.endsWith("-bin")
    ? Buffer.from(value, "latin1").toString("base64").replace(/=+$/, "")
    : value;
  return new OutgoingField(name, text, SECRET_KEYS.has(name) ? MODE_NEVER : undefined);
}

/** Connects to a host and port, or with `port` undefined to a unix socket path. */
export async function connect(
  host: string,
  port: number | undefined,
  options: ClientOptions = {},
): Promise<ClientConnection> {
  const where = port === undefined ? { path: host } : { host, port, noDelay: true };
  const timeoutMs = options.connectTimeoutMs ?? 20_000;
  const address = port === undefined ? "localhost" : joinHostPort(host, port);
  const clock = options.clock ?? new SystemClock();
  const deadlineMs = clock.nowMs() + timeoutMs;
  const socket = await openSocket(where, address, clock, timeoutMs);
  return startClient(socket, address, true, { ...options, clock }, deadlineMs);
}

/** Speaks over a socket that is connected (and secured) already. */
async function startClient(
  socket: Duplex,
  authority: string,
  plain: boolean,
  options: ClientOptions,
  readyDeadlineMs: number,
): Promise<ClientConnection> {
  const connection = new ClientConnection(socket, authority, plain, options);
  const clock = options.clock ?? new SystemClock();
  const timer = clock.setTimer(Math.max(0, readyDeadlineMs - clock.nowMs()), () => {
    connection.closeReason = "timed out waiting for server handshake";
    connection.close();
  });
  try {
    await connection.ready();
  } finally {
    timer.cancel();
  }
  return connection;
}

function openSocket(
  where: { path: string } | { host: string; port: number; noDelay: boolean },
  address: string,
  clock: Clock,
  timeoutMs: number,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = netConnect(where);
    const fail = (reason: string): void => {
      timer.cancel();
      socket.destroy();
      const target = "path" in where ? `unix ${where.path}` : `tcp ${address}`;
      reject(
        new RpcError(
          UNAVAILABLE,
          `connection error: desc = "transport: Error while dialing: dial ${target}: ${reason}"`,
          true,
        ),
      );
    };
    const timer = clock.setTimer(timeoutMs, () => fail("i/o timeout"));
    const onError = (error: NodeJS.ErrnoException): void => fail(dialReason(error));
    socket.once("error", onError);
    socket.once("connect", () => {
      timer.cancel();
      socket.off("error", onError);
      resolve(socket);
    });
  });
}
