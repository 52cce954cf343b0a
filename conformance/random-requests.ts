/**
 * Random requests of the KV and Lease services and HashKV, sensible and senseless alike, from a
 * seed. Few keys, so that requests meet; lease ids are chosen here, so that members that get the
 * same requests hold the same bytes.
 */
import {
  Compare,
  type CompactionRequest,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
  WatchCreateRequest,
  WatchCreateRequest_FilterType,
} from "../src/api/gen/rpc.ts";
import type { RpcPath } from "../src/api/gen/services.ts";

export interface RandomRequest {
  readonly path: RpcPath;
  readonly fields: object;
}

const KEYS = ["a", "ab", "abc", "b", "c", "d", "dd", "e", "\u0000", "z\u0000z", ""];
const ENDS = ["", "", "\u0000", "b", "c", "e", "zz", "a"];
/**
 * A deletion of "everything from here on" hides from etcd's check for keys that are written twice;
 * etcd then crashes when such a key is put with ignore_lease, so that is not tried.
 */
const TXN_ENDS = ENDS.filter((end) => end !== "\u0000");
const VALUES = ["", "1", "2", "a longer value", "ü"];
const LEASES = [0n, 0n, 0n, 1n, 2n, 3n, 99n];
/** Long enough not to expire while a test runs. */
const LEASE_TTL_SECONDS = 100_000;
const MAX_NESTING = 2;

export class RandomRequests {
  #state: number;
  /** The newest revision that has been seen; makes revisions in requests meaningful. */
  revision = 1;

  constructor(seed: number) {
    this.#state = seed | 1;
  }

  next(): RandomRequest {
    switch (this.#below(20)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return { path: "/etcdserverpb.KV/Put", fields: this.#put() };
      case 5:
      case 6:
      case 7:
      case 8:
        return { path: "/etcdserverpb.KV/Range", fields: this.#range() };
      case 9:
      case 10:
        return { path: "/etcdserverpb.KV/DeleteRange", fields: this.#deleteRange(ENDS) };
      case 11:
      case 12:
      case 13:
      case 14:
      case 15:
        return { path: "/etcdserverpb.KV/Txn", fields: this.#txn(0) };
      case 16:
        return this.#lease();
      case 17:
        return { path: "/etcdserverpb.Lease/LeaseLeases", fields: {} };
      case 18:
        return { path: "/etcdserverpb.Maintenance/HashKV", fields: { revision: 0 } };
      default:
        return { path: "/etcdserverpb.KV/Compact", fields: this.#compaction() };
    }
  }

  /** A watch; `startRevision` may be in the past, or ahead. */
  watch(): WatchCreateRequest {
    const { NOPUT, NODELETE } = WatchCreateRequest_FilterType;
    return WatchCreateRequest.create({
      key: this.#key(),
      rangeEnd: this.#end(),
      startRevision: this.#rarely(2) ? 0 : this.revision - 10 + this.#below(30),
      filters: this.#pick([[], [], [], [NOPUT], [NODELETE], [NOPUT, NODELETE]]),
      prevKv: this.#rarely(2),
      watchId: this.#rarely(4) ? this.#below(50) : 0,
      fragment: this.#rarely(2),
    });
  }

  /** Xorshift; the same numbers everywhere. */
  #below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) % limit;
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T;
  }

  /** True once in `n` times. */
  #rarely(n: number): boolean {
    return this.#below(n) === 0;
  }

  #key(): Buffer {
    // The empty key is last in the list and comes rarely.
    const count = this.#rarely(20) ? KEYS.length : KEYS.length - 1;
    return Buffer.from(KEYS[this.#below(count)] ?? "", "latin1");
  }

  #end(): Buffer {
    return Buffer.from(this.#pick(ENDS), "latin1");
  }

  #someRevision(): number {
    if (!this.#rarely(3)) return 0;
    return this.revision - 8 + this.#below(10);
  }

  #put(): PutRequest {
    const ignoreValue = this.#rarely(6);
    const ignoreLease = this.#rarely(6);
    const value = ignoreValue && !this.#rarely(5) ? "" : this.#pick(VALUES);
    return PutRequest.create({
      key: this.#key(),
      value: Buffer.from(value),
      lease: ignoreLease && !this.#rarely(5) ? 0n : this.#pick(LEASES),
      prevKv: this.#rarely(3),
      ignoreValue,
      ignoreLease,
    });
  }

  #range(): RangeRequest {
    const filter = () => (this.#rarely(8) ? this.revision - this.#below(6) : 0);
    return RangeRequest.create({
      key: this.#key(),
      rangeEnd: this.#end(),
      limit: this.#pick([0, 0, 0, 1, 2, 3, 100, -1]),
      revision: this.#someRevision(),
      sortOrder: this.#below(3),
      sortTarget: this.#below(5),
      serializable: this.#rarely(3),
      keysOnly: this.#rarely(4),
      countOnly: this.#rarely(6),
      minModRevision: filter(),
      maxModRevision: filter(),
      minCreateRevision: filter(),
      maxCreateRevision: filter(),
    });
  }

  #deleteRange(ends: readonly string[]): DeleteRangeRequest {
    return DeleteRangeRequest.create({
      key: this.#key(),
      rangeEnd: Buffer.from(this.#rarely(2) ? this.#pick(ends) : "", "latin1"),
      prevKv: this.#rarely(2),
    });
  }

  #txn(depth: number): TxnRequest {
    const list = <T>(most: number, make: () => T): T[] =>
      Array.from({ length: this.#below(most + 1) }, make);
    return TxnRequest.create({
      compare: list(2, () => this.#compare()),
      success: list(4, () => this.#operation(depth)),
      failure: list(3, () => this.#operation(depth)),
    });
  }

  #operation(depth: number): RequestOp {
    switch (this.#below(depth < MAX_NESTING ? 9 : 8)) {
      case 0:
      case 1:
      case 2:
        return { request: { case: "requestPut", value: this.#put() } };
      case 3:
      case 4:
        return { request: { case: "requestRange", value: this.#range() } };
      case 5:
      case 6:
        return { request: { case: "requestDeleteRange", value: this.#deleteRange(TXN_ENDS) } };
      case 7:
        if (this.#rarely(10)) return RequestOp.create();
        return { request: { case: "requestPut", value: this.#put() } };
      default:
        return { request: { case: "requestTxn", value: this.#txn(depth + 1) } };
    }
  }

  #compare(): Compare {
    const key = this.#key();
    const rangeEnd = this.#rarely(3) ? this.#end() : Buffer.alloc(0);
    const base = { result: this.#below(4), key, rangeEnd };
    const near = () => this.revision - this.#below(5);
    const target = this.#below(5);
    if (this.#rarely(12)) return Compare.create({ ...base, target });
    const unions: readonly (() => Compare["targetUnion"])[] = [
      () => ({ case: "version", value: this.#below(4) }),
      () => ({ case: "createRevision", value: this.#rarely(2) ? 0 : near() }),
      () => ({ case: "modRevision", value: this.#rarely(2) ? 0 : near() }),
      () => ({ case: "value", value: Buffer.from(this.#pick(VALUES)) }),
      () => ({ case: "lease", value: this.#pick(LEASES) }),
    ];
    // Sometimes the value belongs to another target than the one named.
    const union = unions[this.#rarely(15) ? this.#below(5) : target];
    return Compare.create({ ...base, target, targetUnion: union?.() });
  }

  #lease(): RandomRequest {
    const ID = this.#pick(LEASES.slice(3));
    if (this.#rarely(3)) return { path: "/etcdserverpb.Lease/LeaseRevoke", fields: { ID } };
    if (ID === 99n) return { path: "/etcdserverpb.Lease/LeaseRevoke", fields: { ID } };
    const TTL = this.#rarely(10) ? 9_000_000_001 : LEASE_TTL_SECONDS;
    return { path: "/etcdserverpb.Lease/LeaseGrant", fields: { ID, TTL } };
  }

  #compaction(): Partial<CompactionRequest> {
    const distance = this.#pick([0, 1, 3, 10, 30, -1]);
    return { revision: this.revision - distance, physical: this.#rarely(2) };
  }
}
