/**
 * A client port of a member that is served by threads of its own. Each has a socket on the port, and
 * the kernel spreads connections over them; calls come to this thread in batches.
 */
import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { assert } from "../../src/base/assert.ts";
import type { LogFields, Logger } from "../../src/env/logger.ts";
import type { RpcService } from "../../src/env/rpc.ts";
import { systemCalls } from "../../src/platform/index.ts";
import type { ListenAddress, ListenerOptions } from "../../src/transport/listener.ts";
import { CallDesk } from "./call-desk.ts";

/** A host and a port. */
export type TcpAddress = Extract<ListenAddress, { readonly port: number }>;

export type FrontEndLimits = Pick<ListenerOptions, "maxRequestBytes" | "maxConcurrentStreams">;

export interface FrontEndTask {
  readonly address: TcpAddress;
  /** A socket that is bound to the address. */
  readonly descriptor: number;
  readonly limits: FrontEndLimits;
}

/** To a thread, besides batches. */
export interface FrontEndOrder {
  readonly kind: "drain" | "stop";
  readonly graceMs: number;
}

/** Of a thread, besides batches. */
export type FrontEndReport =
  | { readonly kind: "listening"; readonly address: ListenAddress }
  | { readonly kind: "drained" }
  | {
      readonly kind: "log";
      readonly level: "info" | "warn" | "error";
      readonly message: string;
      readonly fields: LogFields;
    };

export interface FrontEndsOptions {
  readonly workers: number;
  /** Port 0 is one that the system chooses. */
  readonly address: TcpAddress;
  readonly service: RpcService;
  readonly limits: FrontEndLimits;
  readonly logger: Logger;
}

class FrontEnd {
  readonly #worker: Worker;
  readonly #desk: CallDesk;
  readonly #logger: Logger;
  readonly #listening: Promise<ListenAddress>;
  readonly #ended: Promise<void>;
  #isListening: (address: ListenAddress) => void = () => {};
  #isDrained: () => void = () => {};

  constructor(task: FrontEndTask, service: RpcService, logger: Logger) {
    const url = new URL(`./front-end${extname(import.meta.url)}`, import.meta.url);
    const worker = new Worker(url, { workerData: task, name: "front-end" });
    this.#worker = worker;
    this.#logger = logger;
    this.#desk = new CallDesk(worker, service, logger);
    worker.on("message", (message: Uint8Array | FrontEndReport) => {
      if (message instanceof Uint8Array) this.#desk.receive(message);
      else this.#reported(message);
    });
    worker.on("error", (error) => logger.error("a front end has failed", { error }));
    this.#ended = new Promise((resolve) => {
      worker.once("exit", () => {
        this.#desk.lost();
        resolve();
      });
    });
    this.#listening = new Promise((resolve, reject) => {
      this.#isListening = resolve;
      worker.once("error", reject);
    });
  }

  get calls(): number {
    return this.#desk.calls;
  }

  get listening(): Promise<ListenAddress> {
    return this.#listening;
  }

  get ended(): Promise<void> {
    return this.#ended;
  }

  #reported(report: FrontEndReport): void {
    if (report.kind === "listening") this.#isListening(report.address);
    else if (report.kind === "drained") this.#isDrained();
    else this.#logger[report.level](report.message, report.fields);
  }

  drain(graceMs: number): Promise<void> {
    const drained = new Promise<void>((resolve) => {
      this.#isDrained = resolve;
    });
    this.#order({ kind: "drain", graceMs });
    return Promise.race([drained, this.#ended]);
  }

  stop(graceMs: number): Promise<void> {
    this.#order({ kind: "stop", graceMs });
    return this.#ended;
  }

  #order(order: FrontEndOrder): void {
    this.#worker.postMessage(order);
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
    await this.#ended;
  }
}

export class FrontEnds {
  readonly address: TcpAddress;
  readonly #all: readonly FrontEnd[];

  private constructor(address: TcpAddress, all: readonly FrontEnd[]) {
    this.address = address;
    this.#all = all;
  }

  /** Rejects when the port cannot be had. */
  static async start(options: FrontEndsOptions): Promise<FrontEnds> {
    const { workers, service, limits, logger } = options;
    const all: FrontEnd[] = [];
    let { address } = options;
    try {
      while (all.length < workers) {
        const task = { address, descriptor: boundTo(address), limits };
        const frontEnd = new FrontEnd(task, service, logger);
        all.push(frontEnd);
        const bound = await frontEnd.listening;
        assert("port" in bound, "a front end listens on TCP");
        address = { ...address, port: bound.port };
      }
    } catch (error) {
      await Promise.all(all.map((frontEnd) => frontEnd.terminate()));
      throw error;
    }
    return new FrontEnds(address, all);
  }

  /** Calls of clients that have not ended, by thread. */
  get calls(): readonly number[] {
    return this.#all.map(({ calls }) => calls);
  }

  /** Settles when a thread has ended. */
  get ended(): Promise<void> {
    return Promise.race(this.#all.map(({ ended }) => ended));
  }

  /** Tells clients to go. Settles when their last unary call is answered, or after `graceMs`. */
  async drain(graceMs: number): Promise<void> {
    await Promise.all(this.#all.map((frontEnd) => frontEnd.drain(graceMs)));
  }

  /** Waits at most `graceMs` for calls in flight. */
  async stop(graceMs: number): Promise<void> {
    await Promise.all(this.#all.map((frontEnd) => frontEnd.stop(graceMs)));
  }

  /** Ends one thread as a crash does. */
  async crash(index: number): Promise<void> {
    await this.#all[index]?.terminate();
  }
}

/** A socket on a port that others may be bound to as well. Descriptors belong to all threads. */
function boundTo({ host, port }: TcpAddress): number {
  const calls = systemCalls();
  if (calls instanceof Error) throw calls;
  const descriptor = calls.bindSharedPort(host, port);
  if (typeof descriptor === "string") throw new Error(`bind ${host}:${port}: ${descriptor}`);
  return descriptor;
}
