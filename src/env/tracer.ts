/**
 * Distributed tracing as the member sees it: which calls are recorded, and what is done for them.
 * Without a tracer nothing is.
 */
import type { CallSpan } from "./call-span.ts";
import type { Call } from "./rpc.ts";

export interface Tracer {
  /** The span of a call that begins now; undefined when the call is not to be recorded. */
  begin(call: Call): CallSpan | undefined;
  /** Records work that was done for several calls at once, as a trace that names theirs. */
  shared(name: string, startMs: number, endMs: number, calls: readonly CallSpan[]): void;
}
