/** The record of one call in distributed tracing. Times are on the scale of `Clock.nowMs`. */
export interface CallSpan {
  /** Adds work that was done for the call and is over; also after the call has been answered. */
  child(name: string, startMs: number, endMs: number): void;
  /** The call is over, with a gRPC status. Once. */
  end(endMs: number, code: number, message: string): void;
}
