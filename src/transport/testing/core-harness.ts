/** A server connection without a socket: bytes in, frames out, time as a number. */
import { CallBatch } from "../grpc/call-batch.ts";
import { Deadlines } from "../grpc/deadlines.ts";
import { MethodTable } from "../grpc/method-table.ts";
import { GrpcServerConnection } from "../grpc/server-connection.ts";
import { Http2Connection } from "../http2/connection.ts";
import type { OutputBudget } from "../http2/output-budget.ts";
import type { ConnectionHost } from "../http2/connection-host.ts";
import { errorName } from "../http2/constants.ts";
import type { HeaderBlock } from "../http2/header-block.ts";
import type { Http2Stream, StreamHandler } from "../http2/stream.ts";
import type { Clock, Timer } from "../../env/clock.ts";
import { ECHO_METHODS, EchoService, SILENT_LOGGER } from "./echo-service.ts";
import { type Frame, FrameParser, HELLO } from "./raw-frames.ts";

/** Time that moves only when told. */
export class ManualClock implements Clock {
  now = 0;
  #timers: { at: number; fire: () => void }[] = [];

  nowMs(): number {
    return this.now;
  }
  wallMs(): number {
    return this.now;
  }
  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { at: this.now + delayMs, fire };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  advance(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.now = Math.max(this.now, due.at);
      due.fire();
    }
    this.now = end;
  }
}

export interface HarnessOptions {
  readonly maxConcurrentStreams?: number;
  readonly keepaliveMinTimeMs?: number;
  readonly keepaliveIntervalMs?: number;
  readonly outputBudget?: OutputBudget;
  readonly keepaliveTimeoutMs?: number;
  readonly maxMessageBytes?: number;
  /** Feed the client's preface, SETTINGS and acknowledgement first; default true. */
  readonly hello?: boolean;
}

export class CoreHarness implements ConnectionHost {
  readonly clock = new ManualClock();
  readonly service = new EchoService();
  readonly connection: Http2Connection;
  readonly grpc: GrpcServerConnection;
  /** "CODE: reason" once the connection has ended. */
  ended = "";
  /** Requests whose content type is not checked here: all go to gRPC. */
  requests = 0;
  readonly parser = new FrameParser();
  #runs: (() => void)[] = [];

  constructor(options: HarnessOptions = {}) {
    this.connection = new Http2Connection(this, {
      isServer: true,
      nowMs: 0,
      maxConcurrentStreams: options.maxConcurrentStreams ?? 1_000,
      keepaliveMinTimeMs: options.keepaliveMinTimeMs ?? 5_000,
      keepaliveIntervalMs: options.keepaliveIntervalMs ?? Number.POSITIVE_INFINITY,
      keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 20_000,
      outputBudget: options.outputBudget,
    });
    const server = {
      service: this.service,
      methods: new MethodTable(ECHO_METHODS),
      batch: new CallBatch(
        this.service,
        (run) => this.#runs.push(run),
        () => {},
      ),
      deadlines: new Deadlines(this.clock),
      maxMessageBytes: options.maxMessageBytes ?? 2_097_152,
      metrics: undefined,
      logger: SILENT_LOGGER,
    };
    const peer = { remote: "1.2.3.4:5", certificateName: undefined };
    this.grpc = new GrpcServerConnection(server, this.connection, peer);
    this.connection.start();
    if (options.hello !== false) this.feed(HELLO);
  }

  /** One turn of the loop: the bytes, then the batch. Returns the frames that left. */
  feed(...chunks: Uint8Array[]): Frame[] {
    this.connection.setNow(this.clock.now);
    for (const chunk of chunks) this.connection.receive(Buffer.from(chunk));
    return this.turn();
  }

  turn(): Frame[] {
    const runs = this.#runs;
    this.#runs = [];
    for (const run of runs) run();
    return this.output();
  }

  /** Frames that wait for the socket. */
  output(): Frame[] {
    const frames: Frame[] = [];
    for (let more = true; more; ) {
      const pieces = this.connection.takeOutput();
      for (const piece of pieces) frames.push(...this.parser.push(Buffer.from(piece)));
      this.connection.recycle(true);
      more = pieces.length > 0;
    }
    return frames;
  }

  advance(ms: number): Frame[] {
    for (let left = ms; left > 0; left -= 500) {
      this.clock.advance(Math.min(left, 500));
      this.connection.tick(this.clock.now);
    }
    return this.output();
  }

  wantFlush(): void {}
  flushNow(): void {}

  onRequest(stream: Http2Stream, head: HeaderBlock, endStream: boolean): StreamHandler {
    this.requests += 1;
    return this.grpc.open(stream, head, endStream);
  }

  onFinished(code: number, reason: string): void {
    this.ended = `${errorName(code)}: ${reason}`;
  }

  onGoaway(): void {}
  onSettings(): void {}
  onFinalGoaway(): void {}

  onStreamGone(): void {}
}

const TYPE_NAMES = [
  "DATA",
  "HEADERS",
  "PRIORITY",
  "RST_STREAM",
  "SETTINGS",
  "PUSH_PROMISE",
  "PING",
  "GOAWAY",
  "WINDOW_UPDATE",
  "CONTINUATION",
];

/** Frames in one line each, such as "RST_STREAM 5 PROTOCOL_ERROR". */
export function describe(frames: readonly Frame[]): string[] {
  return frames.map(({ type, flags, id, payload }) => {
    const name = `${TYPE_NAMES[type] ?? type} ${id}`;
    if (type === 3) return `${name} ${errorName(payload.readUInt32BE(0))}`;
    if (type === 7)
      return `${name} last=${payload.readUInt32BE(0)} ${errorName(payload.readUInt32BE(4))}`;
    if (type === 8) return `${name} ${payload.readUInt32BE(0)}`;
    if (type === 0) return `${name} ${payload.length}${flags & 1 ? " END" : ""}`;
    if (type === 4 || type === 6) return `${name}${flags & 1 ? " ACK" : ""}`;
    return `${name}${flags & 1 ? " END" : ""}`;
  });
}
