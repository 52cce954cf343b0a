/** Assertions for broken invariants. A user's mistake is never an assertion. */

export class AssertionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "AssertionError";
  }
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The end of a switch over a union: a member that is added and not handled does not compile. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected ${String(value)}`);
}
