/** A service and its surroundings for transport tests and measurements. Not part of the product. */
import type { Clock, Timer } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { RpcService, StreamCall, UnaryCall } from "../../env/rpc.ts";
import type { MethodRow } from "../grpc/method-table.ts";

export const ECHO = 0;
export const FAIL = 1;
export const HANG = 2;
export const BIDI = 3;
export const REPEAT = 4;
export const BIG = 5;

export const ECHO_METHODS: readonly MethodRow[] = [
  { index: ECHO, path: "/test.Echo/Echo", kind: "unary" },
  { index: FAIL, path: "/test.Echo/Fail", kind: "unary" },
  { index: HANG, path: "/test.Echo/Hang", kind: "unary" },
  { index: BIDI, path: "/test.Echo/Bidi", kind: "bidi" },
  { index: REPEAT, path: "/test.Echo/Repeat", kind: "serverStream" },
  { index: BIG, path: "/test.Echo/Big", kind: "unary" },
];

/** Answers as the method names say and remembers what it saw. */
export class EchoService implements RpcService {
  batches: number[] = [];
  hanging: UnaryCall[] = [];
  streams: StreamCall[] = [];
  cancelledStreams = 0;

  unary(calls: readonly UnaryCall[]): void {
    this.batches.push(calls.length);
    for (const call of calls) {
      if (call.method === ECHO) call.reply(Buffer.from(call.body));
      else if (call.method === FAIL) call.fail(9, "it failed: 100 % ünfit");
      else if (call.method === BIG) call.reply(Buffer.alloc(Number(Buffer.from(call.body))));
      else this.hanging.push(call);
    }
  }

  stream(call: StreamCall): void {
    this.streams.push(call);
    call.onCancel = () => {
      this.cancelledStreams += 1;
    };
    if (call.method === REPEAT) {
      call.onMessage = (message) => {
        const text = Buffer.from(message).toString();
        for (let i = 0; i < Number(text); i++) call.send(Buffer.from(`item ${i}`));
      };
      call.onHalfClose = () => call.finish(0, "");
    } else {
      call.onMessage = (message) => call.send(Buffer.from("echo "), Buffer.from(message));
      call.onHalfClose = () => call.finish(0, "");
    }
  }
}

export class SystemClock implements Clock {
  nowMs(): number {
    return performance.now();
  }
  wallMs(): number {
    return Date.now();
  }
  setTimer(delayMs: number, fire: () => void): Timer {
    const timer = setTimeout(fire, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  }
}

export const SILENT_LOGGER: Logger = {
  enabled: () => false,
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
  child: () => SILENT_LOGGER,
};
