/**
 * Records what became of writes whose calls are traced. A sync of the log is shared by the entries
 * of a batch, and each call has it as a span of its own, since it waited for it. A commit of the
 * backend comes when the call has been answered long since: it is one span for all, which names
 * their traces.
 */
import type { Backend } from "../../backend/types.ts";
import type { CallSpan, Clock, Tracer } from "../../env/index.ts";
import type { Entry } from "../../api/gen/raft.ts";
import type { Proposal, Proposals } from "../log/proposals.ts";
import { SPAN_NAMES } from "../span-names.ts";

/** Traces that the span of one commit names: as many links as OpenTelemetry keeps of a span. */
const MAX_COMMIT_LINKS = 128;

export interface TracedWritesDeps {
  readonly tracer: Tracer;
  readonly clock: Clock;
  readonly proposals: Proposals;
  readonly backend: Backend;
}

export class TracedWrites {
  readonly #deps: TracedWritesDeps;
  /** Applied since the backend sealed its last batch. */
  #uncommitted: CallSpan[] = [];

  constructor(deps: TracedWritesDeps) {
    this.#deps = deps;
  }

  /** Entries go into the log; what is returned is called once they are durable. */
  saving(entries: readonly Entry[]): (() => void) | undefined {
    const { proposals, clock } = this.#deps;
    const spans: CallSpan[] = [];
    for (const entry of entries) {
      const span = proposals.spanOf(entry);
      if (span !== undefined) spans.push(span);
    }
    if (spans.length === 0) return undefined;
    const startMs = clock.nowMs();
    return () => {
      const endMs = clock.nowMs();
      for (const span of spans) span.child(SPAN_NAMES.walSync, startMs, endMs);
    };
  }

  /** The entry of a traced proposal was applied just now, from `startedMs` on. */
  applied(span: CallSpan, { startMs }: Proposal, startedMs: number): void {
    span.child(SPAN_NAMES.propose, startMs, startedMs);
    span.child(SPAN_NAMES.apply, startedMs, this.#deps.clock.nowMs());
    if (this.#uncommitted.length < MAX_COMMIT_LINKS) this.#uncommitted.push(span);
  }

  /** The backend seals its batch: to be called by its hook, in which `commit` waits for this batch. */
  committing(): void {
    if (this.#uncommitted.length === 0) return;
    const { tracer, clock, backend } = this.#deps;
    const spans = this.#uncommitted;
    this.#uncommitted = [];
    const startMs = clock.nowMs();
    backend.commit().then(
      () => tracer.shared(SPAN_NAMES.backendCommit, startMs, clock.nowMs(), spans),
      // The backend tells of its failures itself.
      () => undefined,
    );
  }
}
