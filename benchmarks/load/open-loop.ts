/**
 * Requests at a fixed rate, whether the last ones were answered or not: what others feel of a member
 * at work. Latencies are from the sending, which no answer holds up, to the answer, so that the wait
 * of a request for its neighbours counts and that of the generator for a processor does not.
 */
import { Histogram } from "./histogram.ts";
import type { LoadResult, OpenLoopJob } from "./jobs.ts";
import { keyChooser } from "./key-choice.ts";
import { LoadConnection } from "./load-connection.ts";
import { requestTemplates } from "./requests.ts";

const TICK_MS = 1;
/** For what is still unanswered at the end; the rest counts as errors, with this latency. */
const LAST_ANSWERS_MS = 60_000;

/** `stop` ends a job without another limit. */
export async function runOpenLoop(job: OpenLoopJob, stop?: AbortSignal): Promise<LoadResult> {
  const loop = new OpenLoop(job);
  try {
    return await loop.run(stop);
  } finally {
    loop.close();
  }
}

interface Member {
  readonly connection: LoadConnection;
  /** When each unanswered call was sent; only those that count. */
  readonly sentAtMs: Map<number, number>;
}

class OpenLoop {
  readonly #job: OpenLoopJob;
  readonly #members: Member[] = [];
  readonly #histogram = new Histogram();
  #errors = 0;
  #sent = 0;
  #onIdle: () => void = () => {};
  #onFailure: (error: Error) => void = () => {};
  readonly #failed: Promise<never>;

  constructor(job: OpenLoopJob) {
    this.#job = job;
    this.#failed = new Promise<never>((_, reject) => {
      this.#onFailure = reject;
    });
    this.#failed.catch(() => {});
    for (const port of job.ports) this.#connect(port);
  }

  async run(stop: AbortSignal | undefined): Promise<LoadResult> {
    const { warmUpSeconds, limit } = this.#job;
    await this.#send(warmUpSeconds, undefined, false);
    const startMs = performance.now();
    await this.#send(limit === "stop" ? undefined : limit.seconds, stop, true);
    const seconds = (performance.now() - startMs) / 1000;
    await this.#lastAnswers();
    const latency = this.#histogram.summary();
    return { operations: latency.count - this.#errors, errors: this.#errors, seconds, latency };
  }

  close(): void {
    for (const { connection } of this.#members) connection.close();
  }

  #connect(port: number): void {
    const sentAtMs = new Map<number, number>();
    const connection = new LoadConnection(port, {
      onEnd: (stream, status, nowMs) => {
        const startMs = sentAtMs.get(stream);
        if (startMs === undefined) return;
        sentAtMs.delete(stream);
        this.#histogram.record(nowMs - startMs);
        if (status !== 0) this.#errors++;
        if (this.#unanswered() === 0) this.#onIdle();
      },
      onClose: (error) => this.#onFailure(error),
    });
    this.#members.push({ connection, sentAtMs });
  }

  /** Sends what is due at each tick, for so long or until `stop`. */
  #send(
    seconds: number | undefined,
    stop: AbortSignal | undefined,
    isMeasured: boolean,
  ): Promise<void> {
    const { requests, perSecond } = this.#job;
    const templates = requests.map((request) => requestTemplates(request));
    const keyAt = keyChooser(this.#job);
    const startMs = performance.now();
    const endMs = seconds === undefined ? Number.POSITIVE_INFINITY : startMs + seconds * 1000;
    const done = new Promise<void>((resolve) => {
      let count = 0;
      const tick = (): void => {
        const nowMs = performance.now();
        if (nowMs >= endMs || stop?.aborted === true) {
          clearInterval(timer);
          resolve();
          return;
        }
        for (; startMs + (count * 1000) / perSecond <= nowMs; count++) {
          const member = this.#members[this.#sent % this.#members.length];
          const template = templates[this.#sent % templates.length];
          if (member === undefined || template === undefined) return;
          const stream = member.connection.call(template, keyAt(this.#sent));
          this.#sent++;
          if (isMeasured) member.sentAtMs.set(stream, performance.now());
        }
      };
      const timer = setInterval(tick, TICK_MS);
    });
    return Promise.race([done, this.#failed]);
  }

  #unanswered(): number {
    return this.#members.reduce((sum, { sentAtMs }) => sum + sentAtMs.size, 0);
  }

  async #lastAnswers(): Promise<void> {
    if (this.#unanswered() === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LAST_ANSWERS_MS);
    });
    await Promise.race([idle, late, this.#failed]);
    clearTimeout(timer);
    for (let i = this.#unanswered(); i > 0; i--) {
      this.#histogram.record(LAST_ANSWERS_MS);
      this.#errors++;
    }
  }
}
