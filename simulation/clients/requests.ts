/**
 * What clients ask for: requests over few keys, so that they meet; conditions on what was seen
 * before, so that both branches are taken.
 */
import type { Revision } from "../../src/base/ids.ts";
import type { SeededRandom } from "../../src/env/testing/index.ts";
import type { KVRequest, OperationResult } from "../../src/checkers/history.ts";

const KEYS = 6;
const LARGE_VALUE_BYTES = 6000;

export class Requests {
  #values = 0;
  /** Where keys stood when somebody last read them. */
  readonly #seen = new Map<string, Revision>();
  readonly #maxRevision: () => Revision;
  readonly #largeValues: boolean;

  constructor(maxRevision: () => Revision, largeValues: boolean) {
    this.#maxRevision = maxRevision;
    this.#largeValues = largeValues;
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
    if (dice < 50) return { kind: "get", key: key(random) };
    if (dice < 55) return { kind: "get", key: "k", end: "l" };
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
    const name = `v${++this.#values}`;
    if (!this.#largeValues || !random.chance(0.2)) return name;
    return name.padEnd(random.between(1, LARGE_VALUE_BYTES), ".");
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
