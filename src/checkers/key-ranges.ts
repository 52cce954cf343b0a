/** Which keys a request looks at or changes: what a wrong guess about it can have spoilt. */
import type { OperationRequest } from "./history.ts";

export interface KeyRange {
  readonly key: string;
  /** Exclusive; one key without it. */
  readonly end?: string | undefined;
}

/** Everything; what cannot be told from the request alone. */
export const ALL_KEYS: KeyRange = { key: "", end: "\uffff" };

/** More ranges than this are as good as all keys, and slower to compare. */
const MAX_RANGES = 64;

export function touchedKeys(request: OperationRequest): readonly KeyRange[] {
  switch (request.kind) {
    case "put":
      return [{ key: request.key }];
    case "get":
    case "delete":
      return [{ key: request.key, end: request.end }];
    case "revoke":
      return [ALL_KEYS];
    case "txn":
      return [
        ...request.compares.map(({ key, end }) => ({ key, end })),
        ...[...request.success, ...request.failure].flatMap(touchedKeys),
      ];
  }
}

export function includes({ key: first, end }: KeyRange, key: string): boolean {
  return end === undefined ? key === first : key >= first && key < end;
}

function overlaps(a: KeyRange, b: KeyRange): boolean {
  return includes(a, b.key) || includes(b, a.key);
}

/** A growing set of keys. */
export class KeySet {
  #ranges = new Map<string, KeyRange>();

  add(ranges: Iterable<KeyRange>): void {
    for (const range of ranges) {
      this.#ranges.set(`${range.key}\0${range.end ?? ""}`, range);
      if (this.#ranges.size > MAX_RANGES) this.#ranges = new Map([["", ALL_KEYS]]);
    }
  }

  [Symbol.iterator](): Iterator<KeyRange> {
    return this.#ranges.values();
  }

  meets(ranges: readonly KeyRange[]): boolean {
    for (const own of this.#ranges.values()) {
      if (ranges.some((range) => overlaps(own, range))) return true;
    }
    return false;
  }
}
