/** Fakes for tests of the handlers: a request, a response that records, a server that is told. */

import { METHODS } from "../../api/rpc-table.ts";
import type { Clock, Timer } from "../../env/clock.ts";
import { HttpBodyTooLarge, type HttpRequest, type HttpResponse } from "../../env/http.ts";
import type { LogFields, Logger } from "../../env/logger.ts";
import type { RpcService, StreamCall, UnaryCall } from "../../env/rpc.ts";
import { MetricsRegistry } from "../../platform/metrics.ts";
import type { HealthSource } from "../endpoints/health.ts";
import {
  type ClientHttpHandler,
  createHttpHandler,
  type HttpHandlerDeps,
} from "../http-handler.ts";

export interface FakeRequestOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** The body in pieces, each awaited. Replaces `body`. */
  readonly chunks?: AsyncIterable<Uint8Array>;
  readonly secure?: boolean;
  readonly certificateName?: string;
}

export function fakeRequest(url: string, options: FakeRequestOptions = {}): HttpRequest {
  const [path = "", query = ""] = url.split("?");
  const body = Buffer.from(options.body ?? "");
  return {
    method: options.method ?? (options.body === undefined ? "GET" : "POST"),
    path,
    query,
    headers: { host: "127.0.0.1:2379", ...options.headers },
    remote: "10.0.0.1:5555",
    secure: options.secure ?? false,
    certificateName: options.certificateName,
    async readBody(limitBytes) {
      if (body.length > limitBytes) throw new HttpBodyTooLarge(limitBytes);
      return body;
    },
    async *bodyChunks() {
      if (options.chunks !== undefined) yield* options.chunks;
      else if (body.length > 0) yield body;
    },
  };
}

export class FakeResponse implements HttpResponse {
  status = 0;
  headers: Readonly<Record<string, string>> = {};
  body = "";
  closed = false;
  /** What `write` returns. */
  writable = true;
  onDrain: (() => void) | undefined = undefined;
  onClose: (() => void) | undefined = undefined;
  #ended: () => void = () => {};
  readonly ended: Promise<void> = new Promise((resolve) => {
    this.#ended = resolve;
  });

  head(status: number, headers: Readonly<Record<string, string>>): void {
    if (this.status !== 0) throw new Error("head sent twice");
    this.status = status;
    this.headers = headers;
  }

  write(chunk: Uint8Array | string): boolean {
    if (this.status === 0) throw new Error("body before head");
    if (this.closed) throw new Error("write after end");
    this.body += Buffer.from(chunk as string).toString("latin1");
    return this.writable;
  }

  end(chunk?: Uint8Array | string): void {
    if (chunk !== undefined) this.write(chunk);
    this.closed = true;
    this.#ended();
  }

  abort(): void {
    this.closed = true;
    this.#ended();
  }

  /** The client goes away. */
  drop(): void {
    this.closed = true;
    this.onClose?.();
    this.#ended();
  }
}

export class ManualClock implements Clock {
  #nowMs = 1000;
  readonly #timers = new Set<{ dueMs: number; fire: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, fire };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const timer of [...this.#timers]) {
      if (timer.dueMs <= this.#nowMs && this.#timers.delete(timer)) timer.fire();
    }
  }
}

/** Hands calls to functions by method name. */
export class FakeService implements RpcService {
  readonly unaryCalls: UnaryCall[] = [];
  readonly streamCalls: StreamCall[] = [];
  onUnary: (call: UnaryCall, name: string) => void = () => {};
  onStream: (call: StreamCall, name: string) => void = () => {};

  unary(calls: readonly UnaryCall[]): void {
    for (const call of calls) {
      this.unaryCalls.push(call);
      this.onUnary(call, METHODS[call.method]?.name ?? "");
    }
  }

  stream(call: StreamCall): void {
    this.streamCalls.push(call);
    this.onStream(call, METHODS[call.method]?.name ?? "");
  }
}

export class FakeHealth implements HealthSource {
  alarmNames: string[] = [];
  leader = true;
  learner = false;
  linearizable: (signal: AbortSignal) => Promise<void> = async () => {};
  serializable: () => Promise<void> = async () => {};
  v2Read?: () => Promise<void>;
  versions: ReturnType<HealthSource["version"]> = {
    server: "3.6.14",
    cluster: "3.6.0",
    storage: "3.6.0",
  };

  version(): ReturnType<HealthSource["version"]> {
    return this.versions;
  }
  alarms(): readonly string[] {
    return this.alarmNames;
  }
  hasLeader(): boolean {
    return this.leader;
  }
  isLearner(): boolean {
    return this.learner;
  }
  linearizableRead(signal: AbortSignal): Promise<void> {
    return this.linearizable(signal);
  }
  serializableRead(): Promise<void> {
    return this.serializable();
  }
}

export class RecordingLogger implements Logger {
  readonly lines: { level: string; message: string; fields: LogFields | undefined }[] = [];
  enabled(): boolean {
    return true;
  }
  debug(message: string, fields?: LogFields): void {
    this.lines.push({ level: "debug", message, fields });
  }
  info(message: string, fields?: LogFields): void {
    this.lines.push({ level: "info", message, fields });
  }
  warn(message: string, fields?: LogFields): void {
    this.lines.push({ level: "warn", message, fields });
  }
  error(message: string, fields?: LogFields): void {
    this.lines.push({ level: "error", message, fields });
  }
  fatal(message: string, fields?: LogFields): void {
    this.lines.push({ level: "fatal", message, fields });
  }
  child(): Logger {
    return this;
  }
}

/** A client handler in a world of fakes. */
export class GatewayWorld {
  readonly service = new FakeService();
  readonly health = new FakeHealth();
  readonly metrics = new MetricsRegistry();
  readonly logger = new RecordingLogger();
  readonly clock = new ManualClock();
  readonly handler: ClientHttpHandler;

  constructor(options: Partial<HttpHandlerDeps> = {}) {
    this.handler = createHttpHandler({
      service: this.service,
      source: this.health,
      metrics: this.metrics,
      exposition: this.metrics,
      logger: this.logger,
      clock: this.clock,
      requestTimeoutMs: 7000,
      maxRequestBytes: 1_572_864,
      cors: ["*"],
      hostWhitelist: ["*"],
      pprof: false,
      clientCertAuth: false,
      authEnabled: () => false,
      commandLine: ["etcd", "--name", "m1"],
      ...options,
    });
  }

  start(url: string, options: FakeRequestOptions = {}): FakeResponse {
    const response = new FakeResponse();
    this.handler.handle(fakeRequest(url, options), response);
    return response;
  }

  async fetch(url: string, options: FakeRequestOptions = {}): Promise<FakeResponse> {
    const response = this.start(url, options);
    await response.ended;
    return response;
  }
}
