/**
 * The conditions of a transaction:
 *
 *     compare.value("k").equal("v")
 *     compare.createRevision("k").equal(0)    // or compare.missing("k")
 *     compare.modRevision("dir/", { prefix: true }).less(100)   // for all keys of the range
 *
 * A key that does not exist compares as one whose version, revisions and lease are 0; a comparison
 * of its value is false.
 */
import { Compare, Compare_CompareResult, Compare_CompareTarget } from "../api/gen/rpc.ts";
import type { LeaseID, Revision } from "../base/ids.ts";
import { optionNames } from "../base/known-options.ts";
import { mustBeID, mustBeWhole } from "./arguments.ts";
import { RANGE_OPTIONS, type RangeOptions, toBytes, toKeyRange } from "./bytes.ts";
import { type Bytes, checkOptions } from "./options.ts";

const RANGE_NAMES = optionNames<RangeOptions>(RANGE_OPTIONS);

type TargetUnion = NonNullable<Compare["targetUnion"]>;

/** Waits for the relation and what to compare with. */
class Comparison<T> {
  readonly #target: number;
  readonly #key: Bytes;
  readonly #range: RangeOptions;
  readonly #toUnion: (operand: T) => TargetUnion;

  constructor(
    target: number,
    key: Bytes,
    range: RangeOptions,
    toUnion: (operand: T) => TargetUnion,
  ) {
    checkOptions("compare", range, RANGE_NAMES);
    this.#target = target;
    this.#key = key;
    this.#range = range;
    this.#toUnion = toUnion;
  }

  equal(operand: T): Compare {
    return this.#compare(Compare_CompareResult.EQUAL, operand);
  }

  notEqual(operand: T): Compare {
    return this.#compare(Compare_CompareResult.NOT_EQUAL, operand);
  }

  greater(operand: T): Compare {
    return this.#compare(Compare_CompareResult.GREATER, operand);
  }

  less(operand: T): Compare {
    return this.#compare(Compare_CompareResult.LESS, operand);
  }

  #compare(result: number, operand: T): Compare {
    return Compare.create({
      ...toKeyRange(this.#key, this.#range),
      result,
      target: this.#target,
      targetUnion: this.#toUnion(operand),
    });
  }
}

const Target = Compare_CompareTarget;

/** Makes conditions. */
export const compare = {
  value: (key: Bytes, range: RangeOptions = {}): Comparison<Bytes> =>
    new Comparison(Target.VALUE, key, range, (operand) => ({
      case: "value",
      value: toBytes(operand, "value"),
    })),
  /** Number of changes since the key's creation. */
  version: (key: Bytes, range: RangeOptions = {}): Comparison<number> =>
    new Comparison(Target.VERSION, key, range, (value) => ({
      case: "version",
      value: mustBeWhole("version", value),
    })),
  createRevision: (key: Bytes, range: RangeOptions = {}): Comparison<Revision> =>
    new Comparison(Target.CREATE, key, range, (value) => ({
      case: "createRevision",
      value: mustBeWhole("createRevision", value),
    })),
  modRevision: (key: Bytes, range: RangeOptions = {}): Comparison<Revision> =>
    new Comparison(Target.MOD, key, range, (value) => ({
      case: "modRevision",
      value: mustBeWhole("modRevision", value),
    })),
  lease: (key: Bytes, range: RangeOptions = {}): Comparison<LeaseID> =>
    new Comparison(Target.LEASE, key, range, (value) => ({
      case: "lease",
      value: mustBeID("lease", value),
    })),
  exists: (key: Bytes): Compare => compare.createRevision(key).greater(0),
  missing: (key: Bytes): Compare => compare.createRevision(key).equal(0),
} as const;
