/**
 * Time as an argument. Nothing above `env` reads a clock or starts a timer by itself, so that a
 * whole member can run on virtual time.
 */

/** A pending timer. `cancel` after it fired is harmless. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds with a fraction; the origin is arbitrary. For deadlines and leases. */
  nowMs(): number;
  /** Milliseconds since the Unix epoch. For ids and log lines only; it may jump. */
  wallMs(): number;
  /** Calls `fire` once, not earlier than `delayMs` from now. Does not keep the process alive. */
  setTimer(delayMs: number, fire: () => void): Timer;
}
