/**
 * Accepts connections and finds out what they speak: the HTTP/2 preface leads to our own HTTP/2,
 * anything else to node:http. gRPC requests go to the `RpcService`, all others to the
 * `HttpHandler`. One `ConnectionAcceptor` serves the sockets of a listener.
 */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "../env/clock.ts";
import type { HttpHandler } from "../env/http.ts";
import type { Logger } from "../env/logger.ts";
import type { Metrics } from "../env/metrics.ts";
import type { TlsAcceptor } from "../env/tls.ts";
import { GRPC_OVERHEAD_BYTES, type RpcService } from "../env/rpc.ts";
import { FlushQueue } from "./flush-queue.ts";
import { CallBatch } from "./grpc/call-batch.ts";
import { Deadlines } from "./grpc/deadlines.ts";
import type { PartialBudget } from "./grpc/message-reader.ts";
import { type MethodRow, MethodTable } from "./grpc/method-table.ts";
import { isGrpcContentType } from "./grpc/request-head.ts";
import { RpcMetrics } from "./grpc/rpc-metrics.ts";
import { type GrpcServer, GrpcServerConnection } from "./grpc/server-connection.ts";
import { UnaryServerCall } from "./grpc/unary-call.ts";
import { Http1Server, type UpgradeHandler } from "./http/http1-server.ts";
import { isHost } from "./http/host-field.ts";
import { type ExchangePeer, Http2Exchange } from "./http/http2-exchange.ts";
import { Http2Connection } from "./http2/connection.ts";
import type { ConnectionHost } from "./http2/connection-host.ts";
import { errorName, NO_ERROR, PREFACE } from "./http2/constants.ts";
import type { HeaderBlock } from "./http2/header-block.ts";
import { OutgoingField } from "./http2/hpack-encoder.ts";
import { OutputBudget } from "./http2/output-budget.ts";
import { type Http2Stream, IGNORE_STREAM, type StreamHandler } from "./http2/stream.ts";
import {
  DEFAULT_MAX_CONCURRENT_STREAMS,
  DEFAULT_MAX_REQUEST_BYTES,
  HOUSEKEEPING_INTERVAL_MS,
  MAX_PARTIAL_REQUEST_BYTES,
  MAX_TOTAL_QUEUED_OUTPUT_BYTES,
  PREFACE_TIMEOUT_MS,
  TURN_COST,
} from "./limits.ts";
import { type ListenAddress, ListeningSocket, remoteAddress } from "./listening-socket.ts";
import { SocketDriver } from "./socket-driver.ts";

export interface ListenerOptions {
  /** gRPC calls; without it, gRPC requests are plain HTTP requests. */
  readonly service?: RpcService | undefined;
  /** All other requests; without it, HTTP/1.1 connections are closed. */
  readonly http?: HttpHandler | undefined;
  /** WebSocket upgrades of HTTP/1.1 requests. */
  readonly onUpgrade?: UpgradeHandler | undefined;
  readonly methods: readonly MethodRow[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: Metrics | undefined;
  /** `--metrics=extensive`: histograms of call durations. Default false. */
  readonly extensiveMetrics?: boolean | undefined;
  /** `--max-request-bytes`; gRPC's limit is 512 KiB more. Default 1.5 MiB. */
  readonly maxRequestBytes?: number | undefined;
  /** `--max-concurrent-streams`; 4294967295 (etcd's default) means our finite default. */
  readonly maxConcurrentStreams?: number | undefined;
  /** Further ones wait until one ends. Default: no limit. */
  readonly maxConnections?: number | undefined;
  /** A second descriptor of a socket, which lets surplus connections wait. */
  readonly duplicate?: ((descriptor: number) => number | undefined) | undefined;
  /** For ports that several processes may listen on; see `ListeningOptions`. */
  readonly bindShared?: ((host: string, port: number) => number | string) | undefined;
  /** `--grpc-keepalive-min-time`, default 5 s. */
  readonly keepaliveMinTimeMs?: number | undefined;
  /** `--grpc-keepalive-interval`, default 2 h; 0 sends no pings. */
  readonly keepaliveIntervalMs?: number | undefined;
  /** `--grpc-keepalive-timeout`, default 20 s; 0 sends no pings. */
  readonly keepaliveTimeoutMs?: number | undefined;
  /** For a whole HTTP/1.1 request with its body; 0 leaves that to the handler. Default 5 min. */
  readonly http1RequestTimeoutMs?: number | undefined;
  /** Connections are accepted but not read before `startServing`. Default false. */
  readonly hold?: boolean | undefined;
  /** Connections begin with a handshake. Default: plain. */
  readonly tls?: TlsAcceptor | undefined;
  /** With `tls`: plain connections are served too; the first byte tells. Default false. */
  readonly plainToo?: boolean | undefined;
}

export type { ListenAddress };

export interface Listener {
  /** Where it is bound; the port is the real one if 0 was asked for. */
  readonly address: ListenAddress;
  readonly connections: number;
  startServing(): void;
  /** The first part of `stop`: until the last unary call is answered, at most `graceMs`. */
  drain(graceMs: number): Promise<void>;
  /**
   * Stops accepting, tells peers to go (GOAWAY), waits for calls in flight at most `graceMs`, then
   * closes what is left.
   */
  stop(graceMs: number): Promise<void>;
}

const UINT32_MAX = 4_294_967_295;

/** Serves sockets of any origin: the part of a listener that is not about listening. */
class ConnectionAcceptor {
  readonly #options: ListenerOptions;
  readonly #flushQueue = new FlushQueue();
  readonly #grpc: GrpcServer | undefined;
  readonly #http1: Http1Server | undefined;
  readonly #deadlines: Deadlines;
  readonly #http2 = new Set<ServerHttp2>();
  readonly #outputBudget = new OutputBudget(MAX_TOTAL_QUEUED_OUTPUT_BYTES);
  /** Sockets whose protocol is not known yet, with the time of their arrival. */
  readonly #sniffing = new Map<Duplex, number>();
  #held: (() => void)[] | undefined;
  #housekeeping: Timer | undefined;
  #stopping = false;
  #idle: (() => void) | undefined;
  #drained: (() => void) | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#held = options.hold === true ? [] : undefined;
    this.#deadlines = new Deadlines(options.clock);
    const { service, http, metrics, logger } = options;
    const queue = this.#flushQueue;
    if (service !== undefined) {
      const schedule = (run: () => void): void => {
        queue.deferred = true;
        setImmediate(run);
      };
      const afterRun = (): void => {
        queue.deferred = false;
        queue.run();
      };
      this.#grpc = {
        service,
        methods: new MethodTable(options.methods),
        batch: new CallBatch(service, schedule, afterRun),
        deadlines: this.#deadlines,
        maxMessageBytes:
          (options.maxRequestBytes ?? DEFAULT_MAX_REQUEST_BYTES) + GRPC_OVERHEAD_BYTES,
        metrics:
          metrics === undefined
            ? undefined
            : new RpcMetrics(metrics, options.methods, {
                clock: options.clock,
                extensive: options.extensiveMetrics === true,
              }),
        logger,
      };
    }
    if (http !== undefined) {
      this.#http1 = new Http1Server(
        http,
        options.onUpgrade,
        this.#outputBudget,
        options.http1RequestTimeoutMs,
      );
    }
  }

  get connections(): number {
    return this.#sniffing.size + this.#http2.size + (this.#http1?.connections ?? 0);
  }

  /** Serves a connected socket. `protocol` is what ALPN decided, if it did. */
  accept(socket: Duplex, peer: ExchangePeer, protocol?: "h2" | "http/1.1"): void {
    socket.on("error", () => socket.destroy());
    if (this.#stopping) {
      socket.destroy();
      return;
    }
    const begin = (): void => {
      if (protocol === "h2") this.#startHttp2(socket, NO_BYTES, peer);
      else if (protocol === "http/1.1") this.#startHttp1(socket, NO_BYTES, peer);
      else this.#sniff(socket, peer);
    };
    if (this.#held === undefined) begin();
    else this.#held.push(begin);
  }

  startServing(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const begin of held) begin();
  }

  /** Tells peers to go. Resolves when their last unary call is answered, or after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    this.#beginDrain();
    if (this.#takesRequests()) {
      await this.#until(graceMs, (drained) => {
        this.#drained = drained;
      });
    }
  }

  async stop(graceMs: number): Promise<void> {
    this.#beginDrain();
    if (this.connections > 0) {
      await this.#until(graceMs, (idle) => {
        this.#idle = idle;
      });
    }
    for (const connection of [...this.#http2]) connection.destroy();
    this.#http1?.destroy();
    this.#deadlines.stop();
    this.#housekeeping?.cancel();
    this.#housekeeping = undefined;
  }

  #beginDrain(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.startServing();
    for (const socket of this.#sniffing.keys()) socket.destroy();
    for (const connection of this.#http2) connection.drain();
    this.#http1?.drain();
  }

  /** Waits for the event whose listener `listen` sets, at most `graceMs`. */
  #until(graceMs: number, listen: (happened: () => void) => void): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#options.clock.setTimer(graceMs, resolve);
      listen(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  #takesRequests(): boolean {
    for (const connection of this.#http2) if (connection.takesRequests) return true;
    return false;
  }

  #checkIdle(): void {
    if (this.#drained !== undefined && !this.#takesRequests()) this.#drained();
    if (this.#stopping && this.connections === 0) this.#idle?.();
  }

  #sniff(socket: Duplex, peer: ExchangePeer): void {
    let read: Buffer = NO_BYTES;
    this.#sniffing.set(socket, this.#options.clock.nowMs());
    this.#keepHouse();
    const onClose = (): void => {
      this.#sniffing.delete(socket);
      this.#checkIdle();
    };
    const onData = (chunk: Buffer): void => {
      read = read.length === 0 ? chunk : Buffer.concat([read, chunk]);
      const known = Math.min(read.length, PREFACE.length);
      const http2 = PREFACE.compare(read, 0, known, 0, known) === 0;
      if (http2 && known < PREFACE.length) return;
      socket.off("data", onData);
      socket.off("close", onClose);
      socket.pause();
      this.#sniffing.delete(socket);
      if (http2) this.#startHttp2(socket, read, peer);
      else this.#startHttp1(socket, read, peer);
    };
    socket.on("close", onClose);
    socket.on("data", onData);
    socket.resume();
  }

  #startHttp2(socket: Duplex, first: Buffer, peer: ExchangePeer): void {
    const connection = new ServerHttp2(
      this.#options,
      this.#grpc,
      this.#flushQueue,
      this.#outputBudget,
      socket,
      peer,
      () => {
        this.#http2.delete(connection);
        this.#checkIdle();
      },
      () => this.#checkIdle(),
    );
    this.#http2.add(connection);
    this.#keepHouse();
    connection.start(first);
  }

  #startHttp1(socket: Duplex, first: Buffer, peer: ExchangePeer): void {
    if (this.#http1 === undefined) {
      socket.destroy();
      return;
    }
    socket.once("close", () => queueMicrotask(() => this.#checkIdle()));
    this.#http1.accept(socket, first, peer);
  }

  #keepHouse(): void {
    this.#housekeeping ??= this.#options.clock.setTimer(HOUSEKEEPING_INTERVAL_MS, () => {
      this.#housekeeping = undefined;
      const nowMs = this.#options.clock.nowMs();
      for (const [socket, sinceMs] of this.#sniffing) {
        if (nowMs - sinceMs >= PREFACE_TIMEOUT_MS) socket.destroy();
      }
      for (const connection of this.#http2) connection.tick(nowMs);
      if (this.#http2.size + this.#sniffing.size > 0) this.#keepHouse();
    });
  }
}

const NO_BYTES: Buffer = Buffer.alloc(0);

/** One accepted HTTP/2 connection: routes its requests and drives its socket. */
class ServerHttp2 implements ConnectionHost {
  readonly #options: ListenerOptions;
  readonly #connection: Http2Connection;
  readonly #driver: SocketDriver;
  readonly #calls: GrpcServerConnection | undefined;
  readonly #peer: ExchangePeer;
  readonly #budget: PartialBudget;
  readonly #onDrained: () => void;

  constructor(
    options: ListenerOptions,
    grpc: GrpcServer | undefined,
    queue: FlushQueue,
    outputBudget: OutputBudget,
    socket: Duplex,
    peer: ExchangePeer,
    onClosed: () => void,
    onDrained: () => void,
  ) {
    this.#options = options;
    this.#onDrained = onDrained;
    this.#peer = peer;
    const streams = options.maxConcurrentStreams ?? UINT32_MAX;
    const intervalMs = options.keepaliveIntervalMs ?? 2 * 3_600_000;
    const timeoutMs = options.keepaliveTimeoutMs ?? 20_000;
    this.#connection = new Http2Connection(this, {
      isServer: true,
      nowMs: options.clock.nowMs(),
      // grpc-go reads 0 as no limit, too.
      maxConcurrentStreams:
        streams === UINT32_MAX || streams === 0 ? DEFAULT_MAX_CONCURRENT_STREAMS : streams,
      keepaliveMinTimeMs: options.keepaliveMinTimeMs ?? 5_000,
      keepaliveIntervalMs: intervalMs > 0 && timeoutMs > 0 ? intervalMs : Number.POSITIVE_INFINITY,
      keepaliveTimeoutMs: timeoutMs,
      outputBudget,
      turnCost: TURN_COST,
    });
    const copies = !peer.secure && "remoteAddress" in socket;
    this.#driver = new SocketDriver(
      socket,
      this.#connection,
      options.clock,
      queue,
      copies,
      onClosed,
    );
    if (grpc !== undefined) {
      this.#calls = new GrpcServerConnection(grpc, this.#connection, peer);
    }
    this.#budget = this.#calls ?? { partialBytes: 0, maxPartialBytes: MAX_PARTIAL_REQUEST_BYTES };
  }

  start(first: Buffer): void {
    this.#driver.start(first);
  }

  tick(nowMs: number): void {
    this.#driver.tick(nowMs);
  }

  drain(): void {
    this.#connection.setNow(this.#options.clock.nowMs());
    this.#connection.drain();
  }

  destroy(): void {
    this.#driver.destroy();
  }

  /** Whether calls may come or unary ones wait for their answer; open streams do not count. */
  get takesRequests(): boolean {
    if (this.#connection.finished) return false;
    if (!this.#connection.closing) return true;
    for (const { handler } of this.#connection.streams.values()) {
      if (handler instanceof UnaryServerCall) return true;
    }
    return false;
  }

  // ConnectionHost.

  wantFlush(): void {
    this.#driver.wantFlush();
  }

  flushNow(): void {
    this.#driver.flush();
  }

  onRequest(stream: Http2Stream, head: HeaderBlock, endStream: boolean): StreamHandler {
    if (this.#calls !== undefined) {
      // A head that gRPC has seen before carries its interpretation.
      if (head.interpretation !== undefined || isGrpcContentType(head.get("content-type"))) {
        return this.#calls.open(stream, head, endStream);
      }
    }
    const { http } = this.#options;
    if (http === undefined) return this.#refuse(stream, head);
    const connection = this.#connection;
    const exchange = new Http2Exchange(
      connection,
      stream,
      head,
      endStream,
      this.#peer,
      this.#budget,
    );
    const problem = plainProblem(head);
    if (problem !== undefined) {
      exchange.head(problem.status, { "content-type": "text/plain; charset=utf-8" });
      exchange.end(problem.text);
      connection.callRefused();
      return IGNORE_STREAM;
    }
    stream.handOver(exchange);
    try {
      http.handle(exchange, exchange);
    } catch (error) {
      this.#options.logger.error("http handler failed", { error });
      connection.internalError(stream);
    }
    return exchange;
  }

  /** A listener for gRPC alone, as grpc-go answers. */
  #refuse(stream: Http2Stream, head: HeaderBlock): StreamHandler {
    const type = JSON.stringify(head.get("content-type") ?? "");
    const fields = [
      new OutgoingField(":status", "415"),
      new OutgoingField("content-type", "application/grpc"),
      new OutgoingField("grpc-status", "3"),
      new OutgoingField("grpc-message", `invalid gRPC request content-type ${type}`),
    ];
    this.#connection.send.headers(stream, fields, true);
    this.#connection.callRefused();
    return IGNORE_STREAM;
  }

  onFinished(code: number, reason: string): void {
    if (code !== NO_ERROR) {
      this.#options.logger.warn("closing HTTP/2 connection", {
        "remote-addr": this.#peer.remote,
        code: errorName(code),
        reason,
      });
    }
    this.#driver.wantFlush();
  }

  onGoaway(): void {}

  onSettings(): void {}

  onFinalGoaway(): void {
    this.#onDrained();
  }

  onStreamGone(): void {
    if (this.#connection.closing) this.#onDrained();
  }
}

/** Why a request that is not gRPC is refused before anybody handles it. */
function plainProblem(head: HeaderBlock): { status: number; text: string } | undefined {
  if (head.method === "CONNECT") return { status: 405, text: "" };
  if (head.hostCount > 1) return { status: 400, text: "400 Bad Request" };
  if (!isHost(head.authority)) {
    return { status: 400, text: "400 Bad Request: malformed Host header" };
  }
  if (head.path.startsWith("/") || head.path === "*") return undefined;
  return { status: 400, text: "400 Bad Request" };
}

/** Binds and serves. Rejects with Go's text, such as "listen tcp 1.2.3.4:1: bind: …". */
export async function listen(address: ListenAddress, options: ListenerOptions): Promise<Listener> {
  const acceptor = new ConnectionAcceptor(options);
  const { tls } = options;
  const acceptPlain = (accepted: Socket): void => acceptor.accept(accepted, peerOf(accepted));
  if (tls !== undefined) {
    tls.onSecured = ({ stream, protocol, remote, certificateName }) =>
      acceptor.accept(stream, { remote, secure: true, certificateName }, protocol);
    if (options.plainToo === true) tls.onPlain = acceptPlain;
  }
  const socket = await ListeningSocket.bind(address, options, (accepted) => {
    if (tls === undefined) acceptPlain(accepted);
    else tls.accept(accepted);
  });
  return new NetListener(socket, acceptor, tls);
}

function peerOf(socket: Socket): ExchangePeer {
  return { remote: remoteAddress(socket), secure: false, certificateName: undefined };
}

class NetListener implements Listener {
  readonly #socket: ListeningSocket;
  readonly #acceptor: ConnectionAcceptor;
  readonly #tls: TlsAcceptor | undefined;

  constructor(socket: ListeningSocket, acceptor: ConnectionAcceptor, tls: TlsAcceptor | undefined) {
    this.#socket = socket;
    this.#acceptor = acceptor;
    this.#tls = tls;
  }

  get address(): ListenAddress {
    return this.#socket.address;
  }

  get connections(): number {
    return this.#acceptor.connections;
  }

  startServing(): void {
    this.#acceptor.startServing();
  }

  async drain(graceMs: number): Promise<void> {
    this.#closeSocket();
    await this.#acceptor.drain(graceMs);
  }

  async stop(graceMs: number): Promise<void> {
    this.#closeSocket();
    await this.#acceptor.stop(graceMs);
  }

  #closeSocket(): void {
    this.#socket.close();
    this.#tls?.stop();
  }
}
