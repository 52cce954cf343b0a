/** Gives the same random requests to a store and to the model, and compares all answers. */

import assert from "node:assert/strict";
import { EtcdError } from "../../api/errors.ts";
import type { Backend } from "../../backend/types.ts";
import { checkTxn } from "../requests/check.ts";
import { executeRange, type RangeResult } from "../requests/range.ts";
import { executeTxn, type OpResult } from "../requests/txn.ts";
import { executeDeleteRange, executePut } from "../requests/write.ts";
import { rangeRequest, type TextKeyValue, textOf, type World } from "./harness.ts";
import { type ModelOp, type ModelRange, ModelStore } from "./model-store.ts";
import type { TestRandom } from "./random.ts";
import { LEASES, randomDelete, randomPut, randomRange, randomTxn } from "./random-requests.ts";

const KNOWN_LEASES: ReadonlySet<bigint> = new Set(LEASES);

export class ModelDriver {
  /** Replaced after a restart. */
  world: World<Backend>;
  readonly model = new ModelStore();
  readonly #random: TestRandom;

  constructor(world: World<Backend>, random: TestRandom) {
    this.world = world;
    this.#random = random;
  }

  /** One write or none, then one range. */
  step(): void {
    const { model } = this;
    const random = this.#random;
    const { store } = this.world;
    const kind = random.below(10);
    if (kind < 4) this.#put();
    else if (kind < 5) this.#delete();
    else if (kind < 8) this.#txn();
    assert.equal(store.currentRevision, model.revision);
    const request = randomRange(random, model.revision);
    const real = outcome(() => textOfRange(executeRange(store, request)));
    const expected = outcome(() => model.range(request));
    assert.deepEqual(real, expected);
  }

  compact(): void {
    const { model } = this;
    const revision = this.#random.below(model.revision + 2);
    const real = outcome(() => this.world.store.compact(revision));
    const expected = outcome(() => model.compact(revision));
    assert.equal(real, expected);
  }

  /** All readable history, and the leases' keys. */
  compareEverything(): void {
    const { model, world } = this;
    const { store } = world;
    assert.equal(store.currentRevision, model.revision);
    assert.equal(store.compactRevision, model.compactRevision);
    for (let at = Math.max(1, model.compactRevision); at <= model.revision; at++) {
      const request = rangeRequest("\0", "\0", { revision: at });
      assert.deepEqual(textOfRange(executeRange(store, request)), model.range(request));
    }
    const state = [...(model.states.at(-1)?.values() ?? [])];
    for (const id of LEASES) {
      const keys = state.filter((kv) => kv.lease === id).map((kv) => kv.key);
      assert.deepEqual(world.lessor.keysOf(id), keys.sort());
    }
  }

  #put(): void {
    const request = randomPut(this.#random);
    const { store } = this.world;
    const real = outcome(() => textOfOp({ kind: "put", result: executePut(store, request) }));
    const expected = outcome(() => this.model.put(request, KNOWN_LEASES));
    assert.deepEqual(real, expected);
  }

  #delete(): void {
    const request = randomDelete(this.#random);
    const result = executeDeleteRange(this.world.store, request);
    assert.deepEqual(textOfOp({ kind: "deleteRange", result }), this.model.deleteRange(request));
  }

  #txn(): void {
    const request = randomTxn(this.#random, this.model.revision);
    if (outcome(() => checkTxn(request, { maxTxnOps: 128 })) !== undefined) return;
    const { store } = this.world;
    const real = outcome(() => textOfOp({ kind: "txn", result: executeTxn(store, request) }));
    const expected = outcome(() => this.model.txn(request, KNOWN_LEASES));
    assert.deepEqual(real, expected);
  }
}

export function textOfRange(result: RangeResult): ModelRange {
  return { ...result, kvs: result.kvs.map(textOf) };
}

function textOfOp(op: OpResult): ModelOp {
  switch (op.kind) {
    case "range":
      return { kind: "range", range: textOfRange(op.result) };
    case "put":
      return { kind: "put", revision: op.result.revision, previous: text(op.result.previous) };
    case "deleteRange":
      return { kind: "deleteRange", ...op.result, previous: op.result.previous.map(textOf) };
    case "txn": {
      const { succeeded, responses } = op.result;
      return { kind: "txn", succeeded, ops: responses.map(textOfOp) };
    }
    case "none":
      throw new Error("an empty operation");
  }
}

function text(record: Uint8Array | undefined): TextKeyValue | undefined {
  return record === undefined ? undefined : textOf(record);
}

/** The result, or the kind of the EtcdError. */
function outcome<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    if (error instanceof EtcdError) return error.kind;
    throw error;
  }
}
