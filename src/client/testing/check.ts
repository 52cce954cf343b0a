/** Assertions and waits that the suites share. */
import assert from "node:assert/strict";
import { PATIENCE_MS } from "../../base/testing/patience.ts";
import { type ClientErrorKind, EtcdClientError } from "../index.ts";

/** Rejects, naming `what`, when `promise` takes too long. */
export async function soon<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`still waiting for ${what}`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The error that `promise` must reject with, of this kind. */
export async function failure(
  promise: Promise<unknown>,
  kind: ClientErrorKind,
): Promise<EtcdClientError> {
  const settled = soon(
    promise.then(
      (value) => ({ value, error: undefined }),
      (error: unknown) => ({ value: undefined, error }),
    ),
    `a failure of kind ${kind}`,
  );
  const { value, error } = await settled;
  if (error === undefined) assert.fail(`expected a failure of kind ${kind}, got ${String(value)}`);
  if (!(error instanceof EtcdClientError)) throw error;
  assert.equal(error.kind, kind, error.message);
  return error;
}

/** Whether a server lacks what was asked of it; the call is expected to fail one way or another. */
export async function isUnimplemented(call: Promise<unknown>): Promise<boolean> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof EtcdClientError && error.kind === "unimplemented";
}

/** The first `count` items of an iterator, which is left open. */
export async function take<T>(source: AsyncIterator<T>, count: number): Promise<T[]> {
  const items: T[] = [];
  while (items.length < count) {
    const { done, value } = await soon(source.next(), `item ${items.length + 1} of ${count}`);
    if (done === true) assert.fail(`ended after ${items.length} of ${count} items`);
    items.push(value);
  }
  return items;
}

/** mulberry32: numbers in [0, 1) from a seed. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
