/**
 * What clients ask for: requests over few keys, so that they meet; conditions on what was seen
 * before, so that both branches are taken.
 */
import type { Revision } from "../../src/base/ids.ts";
import type { SeededRandom } from "../../src/env/testing/index.ts";
import { longValue } from "./values.ts";
import type { KVRequest, OperationResult } from "../../src/checkers/history.ts";

const KEYS = 6;
const LONG_VALUE_BYTES = 14_000;
/** An answer with it is made as it leaves, and it is still one of those in the plan's slabs. */
export const LATE_VALUE_BYTES = 8300;
const LONG_SHARE = 0.35;
/** Around what slabs, pages, batches and messages hold, and what goes around the page cache. */
const HUGE_VALUE_BYTES = [30_000, 90_000, 125_000, 135_000, 300_000, 530_000, 1_100_000];

/** How large values may be. */
export type ValueSizes = "short" | "long" | "huge";

export class Requests {
  #values = 0;
  /** Where keys stood when somebody last read them. */
  readonly #seen = new Map<string, Revision>();
  readonly #maxRevision: () => Revision;
  readonly #sizes: ValueSizes;

  constructor(maxRevision: () => Revision, sizes: ValueSizes) {
    this.#maxRevision = maxRevision;
    this.#sizes = sizes;
  }

  /** Learns from an answer. */
  saw(result: OperationResult | undefined): void {
    if (result?.kind === "get") {
      for (const { key, modRevision } of result.kvs) this.#seen.set(key, modRevision);
    } else if (result?.kind === "txn") for (const each of result.results) this.saw(each);
  }

  next(random: SeededRandom): KVRequest {
    const dice = random.below(100);
    if (dice < 32) return this.#put(random);
    if (dice < 50) return { kind: "get", key: key(random), serializable: random.chance(0.2) };
    if (dice < 55) {
      const limit = random.chance(0.3) ? random.between(1, KEYS) : undefined;
      return { kind: "get", key: "k", end: "l", limit };
    }
    if (dice < 60) return { kind: "get", key: "k", end: "l", serializable: true };
    if (dice < 64) {
      const revision = Math.max(1, this.#maxRevision() - random.below(30));
      return { kind: "get", key: "k", end: "l", revision };
    }
    if (dice < 72) return { kind: "delete", key: key(random), prevKV: random.chance(0.5) };
    if (dice < 74) return { kind: "delete", key: "k1", end: "k4", prevKV: true };
    if (dice < 88) return this.#compareAndPut(random);
    return this.#several(random);
  }

  value(random: SeededRandom): string {
    const number = ++this.#values;
    if (this.#sizes === "short" || !random.chance(LONG_SHARE)) return longValue(number, 0);
    const isHuge = this.#sizes === "huge" && random.chance(0.5);
    if (!isHuge && random.chance(0.5)) return longValue(number, LATE_VALUE_BYTES);
    const bytes = isHuge ? random.pick(HUGE_VALUE_BYTES) : LONG_VALUE_BYTES;
    return longValue(number, random.between(isHuge ? bytes - 5000 : 1, bytes));
  }

  #put(random: SeededRandom): KVRequest {
    return {
      kind: "put",
      key: key(random),
      value: this.value(random),
      prevKV: random.chance(0.3),
    };
  }

  #compareAndPut(random: SeededRandom): KVRequest {
    const name = key(random);
    const seen = this.#seen.get(name);
    return {
      kind: "txn",
      compares: [
        seen === undefined
          ? { key: name, target: "version", relation: "=", operand: 0 }
          : { key: name, target: "modRevision", relation: "=", operand: seen },
      ],
      success: [{ kind: "put", key: name, value: this.value(random) }],
      failure: [{ kind: "get", key: name }],
    };
  }

  #several(random: SeededRandom): KVRequest {
    const [a, b] = [random.below(KEYS), random.below(KEYS)];
    const other = a === b ? (b + 1) % KEYS : b;
    const success: KVRequest[] = [
      { kind: "put", key: `k${a}`, value: this.value(random) },
      random.chance(0.5)
        ? { kind: "put", key: `k${other}`, value: this.value(random) }
        : { kind: "delete", key: `k${other}` },
      { kind: "get", key: "k", end: "l" },
    ];
    return { kind: "txn", compares: [], success, failure: [] };
  }
}

function key(random: SeededRandom): string {
  return `k${random.below(KEYS)}`;
}
