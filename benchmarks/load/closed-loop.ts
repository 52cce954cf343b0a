/** Closed loops of unary calls over many connections and streams. */
import { IdTable } from "../../src/base/id-table.ts";
import { Histogram } from "./histogram.ts";
import type { ClosedLoopJob, LoadResult } from "./jobs.ts";
import { keyChooser } from "./key-choice.ts";
import { LoadConnection, type LoadHandlers } from "./load-connection.ts";
import { type RequestTemplates, requestTemplates } from "./requests.ts";

/** `stop` ends a job without another limit. */
export function runClosedLoop(job: ClosedLoopJob, stop?: AbortSignal): Promise<LoadResult> {
  return new ClosedLoop(job).run(stop);
}

class ClosedLoop {
  readonly #job: ClosedLoopJob;
  readonly #templates: readonly RequestTemplates[];
  readonly #connections: LoadConnection[] = [];
  readonly #histogram = new Histogram();
  readonly #budget: number;
  #sent = 0;
  #answered = 0;
  #operations = 0;
  #errors = 0;
  #startMs = 0;
  #isMeasured = false;
  #isStopped = false;
  #silent = 0;
  #onAllAnswered: () => void = () => {};
  readonly #keyAt: (n: number) => number;
  #finish: (outcome: Error | undefined) => void = () => {};

  constructor(job: ClosedLoopJob) {
    this.#job = job;
    const { request } = job;
    const requests = "kind" in request ? [request] : request;
    this.#templates = requests.map((each) => requestTemplates(each, job.token));
    this.#keyAt = keyChooser(job);
    const { limit } = job;
    const isCounted = limit !== "stop" && "requests" in limit;
    this.#budget = isCounted ? limit.requests : Number.POSITIVE_INFINITY;
  }

  async run(stop: AbortSignal | undefined): Promise<LoadResult> {
    const job = this.#job;
    const ended = new Promise<Error | undefined>((resolve) => {
      this.#finish = resolve;
    });
    const timers: NodeJS.Timeout[] = [];
    stop?.addEventListener("abort", () => this.#finish(undefined));
    const begin = (): void => {
      if (job.warmUpSeconds === 0) this.#startMeasuring();
      else timers.push(setTimeout(() => this.#startMeasuring(), job.warmUpSeconds * 1000));
      if (job.limit !== "stop" && "seconds" in job.limit) {
        const endMs = (job.warmUpSeconds + job.limit.seconds) * 1000;
        timers.push(setTimeout(() => this.#finish(undefined), endMs));
      }
    };
    // The handshakes of TLS take as long as thousands of calls; they are measured by themselves.
    if (job.warmUpSeconds === 0) begin();
    else this.#onAllAnswered = begin;
    for (let i = 0; i < job.connections; i++) {
      this.#connect(job.ports[i % job.ports.length] ?? 0);
    }
    const error = await ended;
    this.#isStopped = true;
    for (const timer of timers) clearTimeout(timer);
    for (const connection of this.#connections) connection.close();
    if (error !== undefined) throw error;
    return {
      operations: this.#operations,
      errors: this.#errors,
      seconds: (performance.now() - this.#startMs) / 1000,
      latency: this.#histogram.summary(),
    };
  }

  #startMeasuring(): void {
    this.#startMs = performance.now();
    this.#isMeasured = true;
  }

  #connect(port: number): void {
    const sentAtMs = new IdTable<number>();
    let isSilent = true;
    this.#silent++;
    const handlers: LoadHandlers = {
      onEnd: (stream, status, nowMs) => {
        const startMs = sentAtMs.get(stream);
        if (startMs === undefined) return;
        sentAtMs.delete(stream);
        if (isSilent) {
          isSilent = false;
          if (--this.#silent === 0) this.#onAllAnswered();
        }
        this.#answer(status, nowMs - startMs);
        this.#next(connection, sentAtMs, nowMs);
      },
      onClose: (error) => this.#finish(error),
    };
    const connection = new LoadConnection(port, handlers, this.#job.isSecure === true);
    this.#connections.push(connection);
    for (let i = 0; i < this.#job.streams; i++) {
      this.#next(connection, sentAtMs, performance.now());
    }
  }

  #next(connection: LoadConnection, sentAtMs: IdTable<number>, nowMs: number): void {
    if (this.#isStopped || this.#sent >= this.#budget) return;
    const template = this.#templates[this.#sent % this.#templates.length];
    if (template === undefined) throw new Error("a load has at least one request");
    const stream = connection.call(template, this.#keyAt(this.#sent));
    this.#sent++;
    sentAtMs.set(stream, nowMs);
  }

  #answer(status: number, ms: number): void {
    this.#answered++;
    if (this.#isMeasured) {
      if (status === 0) {
        this.#operations++;
        this.#histogram.record(ms);
      } else {
        this.#errors++;
      }
    }
    if (this.#answered >= this.#budget) this.#finish(undefined);
  }
}
