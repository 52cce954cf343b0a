/**
 * Linearizable reads without the log (Raft thesis 6.4): ask raft for a read index, wait until it
 * is applied, then read locally. All reads that arrive while one question is under way share the
 * next one.
 *
 * A question that gets no answer is repeated with a new context (etcd: every 500 ms), since the
 * message may be lost; an answer to an older question is as good as one to the newest, because
 * it was given after every read of its batch had arrived.
 */
import { EtcdError } from "../../api/errors.ts";
import { formatDuration } from "../../base/go-text.ts";
import type { RequestIDGenerator } from "../../base/id-generator.ts";
import type { Index } from "../../base/ids.ts";
import type { CallSpan, Clock, Logger, Timer } from "../../env/index.ts";
import type { ReadState } from "../../raft/index.ts";
import { SPAN_NAMES } from "../span-names.ts";
import { logTrace, TRACE_ABOVE_MS } from "../tracing/trace-lines.ts";

/** Called once: without an error when a local read is now linearizable. */
export type ReadReady = (error: EtcdError | undefined) => void;

/** etcd's readIndexRetryTime. */
const RETRY_INTERVAL_MS = 500;

const OUT_OF_DATE =
  "ignored out-of-date read index response; " +
  "local node read indexes queueing up and waiting to be in sync with leader";

/** A question that was answered, for the log. */
interface Question {
  /** The leader's answer. */
  readonly index: Index;
  readonly startedMs: number;
  readonly confirmedMs: number;
  /** Here, when the answer came. */
  readonly appliedIndex: Index;
}

/** Reads that wait for an index to be applied. */
interface Confirmed {
  readonly index: Index;
  readonly reads: readonly ReadReady[];
  /** Absent when no question was asked for them. */
  readonly asked: Question | undefined;
}

interface Batch {
  readonly reads: ReadReady[];
  /** The contexts asked for this batch, as latin1 strings. */
  readonly contexts: Set<string>;
  readonly startedMs: number;
}

export class LinearizableReads {
  readonly #clock: Clock;
  readonly #ids: RequestIDGenerator;
  readonly #timeoutMs: number;
  readonly #ask: (context: Uint8Array) => void;
  readonly #appliedIndex: () => Index;
  readonly #logger: Logger;
  readonly #onSlow: () => void;
  readonly #onTimeout: () => void;
  #waiting: ReadReady[] = [];
  #asked: Batch | undefined;
  /** Confirmed batches whose index is not applied yet. */
  #confirmed: Confirmed[] = [];
  #timer: Timer | undefined;

  constructor(options: {
    readonly clock: Clock;
    readonly ids: RequestIDGenerator;
    readonly timeoutMs: number;
    /** Puts a read-index request into raft. */
    readonly ask: (context: Uint8Array) => void;
    readonly appliedIndex: () => Index;
    readonly logger: Logger;
    /** A question had to be repeated. */
    readonly onSlow: () => void;
    /** A question was given up. */
    readonly onTimeout: () => void;
  }) {
    this.#clock = options.clock;
    this.#ids = options.ids;
    this.#timeoutMs = options.timeoutMs;
    this.#ask = options.ask;
    this.#appliedIndex = options.appliedIndex;
    this.#logger = options.logger;
    this.#onSlow = options.onSlow;
    this.#onTimeout = options.onTimeout;
  }

  /** Queues a read; `flush` sends the question for all that were queued. */
  add(ready: ReadReady, span?: CallSpan): void {
    this.#waiting.push(span === undefined ? ready : this.#recorded(ready, span));
  }

  /** Tells the call's span how long it waited. */
  #recorded(ready: ReadReady, span: CallSpan): ReadReady {
    const startMs = this.#clock.nowMs();
    return (error) => {
      span.child(SPAN_NAMES.readIndex, startMs, this.#clock.nowMs());
      ready(error);
    };
  }

  /** Starts a question when reads wait and none is under way. */
  flush(): void {
    if (this.#asked !== undefined || this.#waiting.length === 0) return;
    this.#asked = {
      reads: this.#waiting,
      contexts: new Set(),
      startedMs: this.#clock.nowMs(),
    };
    this.#waiting = [];
    this.#send(this.#asked);
  }

  /** Raft's answers. */
  confirm(states: readonly ReadState[]): void {
    for (const state of states) {
      const batch = this.#asked;
      if (batch === undefined) continue;
      const context = Buffer.from(state.requestContext).latin1Slice();
      if (!batch.contexts.has(context)) {
        this.#logger.warn(OUT_OF_DATE, { "received-request-id": requestIDText(context) });
        continue;
      }
      this.#asked = undefined;
      this.#timer?.cancel();
      this.#timer = undefined;
      const { reads, startedMs } = batch;
      const appliedIndex = this.#appliedIndex();
      const asked = {
        index: state.index,
        startedMs,
        confirmedMs: this.#clock.nowMs(),
        appliedIndex,
      };
      if (state.index <= appliedIndex) {
        settle(reads, undefined);
        this.#trace(asked);
      } else this.#confirmed.push({ index: state.index, reads, asked });
      this.flush();
    }
  }

  /** Entries were applied: answers what waited for them. */
  applied(): void {
    if (this.#confirmed.length === 0) return;
    const applied = this.#appliedIndex();
    const ready = this.#confirmed.filter((batch) => batch.index <= applied);
    if (ready.length === 0) return;
    this.#confirmed = this.#confirmed.filter((batch) => batch.index > applied);
    for (const { reads, asked } of ready) {
      settle(reads, undefined);
      if (asked !== undefined) this.#trace(asked);
    }
  }

  /** Calls back once everything up to `index` is applied here; no question is asked. */
  whenApplied(index: Index, ready: ReadReady): void {
    if (index <= this.#appliedIndex()) ready(undefined);
    else this.#confirmed.push({ index, reads: [ready], asked: undefined });
  }

  /** The first entry of a term was committed: questions asked before may have been dropped. */
  askAgain(): void {
    if (this.#asked === undefined) return;
    this.#logger.info("first commit in current term: resending ReadIndex request");
    this.#send(this.#asked);
  }

  /** The leader went away; etcd answers `leader changed` so that clients try again. */
  failAsked(error: EtcdError): void {
    const batch = this.#asked;
    if (batch === undefined) return;
    this.#asked = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
    settle(batch.reads, error);
    this.flush();
  }

  failAll(error: EtcdError): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const reads = [
      ...(this.#asked?.reads ?? []),
      ...this.#waiting,
      ...this.#confirmed.flatMap((batch) => batch.reads),
    ];
    this.#asked = undefined;
    this.#waiting = [];
    this.#confirmed = [];
    settle(reads, error);
  }

  #send(batch: Batch): void {
    const context = this.#newContext();
    batch.contexts.add(context.latin1Slice());
    this.#timer?.cancel();
    this.#timer = this.#clock.setTimer(RETRY_INTERVAL_MS, () => this.#retry(batch));
    this.#ask(context);
  }

  #retry(batch: Batch): void {
    if (this.#asked !== batch) return;
    const elapsedMs = this.#clock.nowMs() - batch.startedMs;
    if (elapsedMs >= this.#timeoutMs) {
      this.#logger.warn(
        "timed out waiting for read index response (local node might have slow network)",
        { timeout: formatDuration(this.#timeoutMs) },
      );
      this.#onTimeout();
      this.failAsked(new EtcdError("timeout"));
      return;
    }
    this.#onSlow();
    const last = [...batch.contexts].at(-1) ?? "";
    this.#logger.warn("waiting for ReadIndex response took too long, retrying", {
      "sent-request-id": requestIDText(last),
      "retry-timeout": formatDuration(RETRY_INTERVAL_MS),
    });
    this.#send(batch);
  }

  #trace({ index, startedMs, confirmedMs, appliedIndex }: Question): void {
    const endMs = this.#clock.nowMs();
    if (endMs - startedMs <= TRACE_ABOVE_MS) return;
    const deps = { clock: this.#clock, logger: this.#logger };
    logTrace(deps, {
      title: "linearizableReadLoop",
      detail: { readStateIndex: index, appliedIndex },
      startMs: startedMs,
      endMs,
      allSteps: true,
      steps: [
        { name: "read index received", endMs: confirmedMs },
        { name: "applied index is now lower than readState.Index", endMs },
      ],
    });
  }

  /** The request id, eight bytes big-endian. */
  #newContext(): Buffer {
    const id = this.#ids.next();
    const context = Buffer.allocUnsafe(8);
    context.writeUInt16BE(id.high16, 0);
    context.writeUIntBE(id.low48, 2, 6);
    return context;
  }
}

function requestIDText(context: string): string {
  return Buffer.from(context, "latin1").readBigUInt64BE(0).toString();
}

function settle(reads: readonly ReadReady[], error: EtcdError | undefined): void {
  for (const ready of reads) ready(error);
}

/** Who can read linearizably. */
export interface LinearizableReader {
  readonly reads: LinearizableReads;
  /** Hands the question of the reads that were added, and queued proposals, to raft. */
  flush(): void;
}

/** Resolves when a local read is linearizable; rejects with an `EtcdError`. */
export function readLinearizably(server: LinearizableReader): Promise<void> {
  return new Promise((resolve, reject) => {
    server.reads.add((error) => (error === undefined ? resolve() : reject(error)));
    server.flush();
  });
}
