/**
 * A thread of connections: listens on the port that its siblings listen on, too, and speaks HTTP/2
 * and gRPC. Started by `FrontEnds`.
 */
import { parentPort, workerData } from "node:worker_threads";
import { METHODS } from "../../src/api/rpc-table.ts";
import { assert } from "../../src/base/assert.ts";
import type { LogFields, Logger, LogLevel } from "../../src/env/logger.ts";
import { SystemClock } from "../../src/env/system-clock.ts";
import { MetricsRegistry } from "../../src/platform/index.ts";
import { listen, type Listener } from "../../src/transport/listener.ts";
import type { FrontEndOrder, FrontEndReport, FrontEndTask } from "./front-ends.ts";
import { FrontService } from "./front-service.ts";

/** The main thread logs. */
class PassedLogger implements Logger {
  readonly #say: (report: FrontEndReport) => void;

  constructor(say: (report: FrontEndReport) => void) {
    this.#say = say;
  }

  enabled(level: LogLevel): boolean {
    return level !== "debug";
  }
  debug(): void {}
  info(message: string, fields?: LogFields): void {
    this.#log("info", message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.#log("warn", message, fields);
  }
  error(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }
  fatal(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }
  child(): Logger {
    return this;
  }

  #log(level: "info" | "warn" | "error", message: string, fields: LogFields = {}): void {
    this.#say({ kind: "log", level, message, fields });
  }
}

async function serve(): Promise<void> {
  const port = parentPort;
  assert(port !== null, "front-end.ts runs as a worker");
  const say = (report: FrontEndReport): void => port.postMessage(report);
  const { address, descriptor, limits } = workerData as FrontEndTask;
  const service = new FrontService(port);
  const listener: Listener = await listen(address, {
    ...limits,
    service,
    methods: METHODS,
    clock: new SystemClock(),
    logger: new PassedLogger(say),
    // Counted as in a member, though nobody asks for it.
    metrics: new MetricsRegistry(),
    bindShared: () => descriptor,
  });
  port.on("message", (message: Uint8Array | FrontEndOrder) => {
    if (message instanceof Uint8Array) {
      service.receive(message);
      return;
    }
    const { kind, graceMs } = message;
    if (kind === "drain") void listener.drain(graceMs).then(() => say({ kind: "drained" }));
    else void listener.stop(graceMs).then(() => port.close());
  });
  say({ kind: "listening", address: listener.address });
}

await serve();
