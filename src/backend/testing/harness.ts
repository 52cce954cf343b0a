/** What the backend's tests share: a backend on a fault disk, and a model to compare it with. */

import assert from "node:assert/strict";
import { bytesFromLatin1, latin1FromBytes } from "../../base/bytes.ts";
import type { FaultDisk } from "../../env/testing/fault-disk.ts";
import { NullLogger } from "../../env/testing/memory-logger.ts";
import type { SeededRandom } from "../../env/testing/seeded-random.ts";
import { VirtualClock } from "../../env/testing/virtual-clock.ts";
import { type BoltBackend, openBackend } from "../backend.ts";
import { checkBolt, checkFreelist } from "../bolt/check.ts";
import type { BackendOptions } from "../options.ts";
import {
  type Bucket,
  ETCD_BUCKETS,
  KEY_BUCKET,
  LEASE_BUCKET,
  META_BUCKET,
  type Reader,
} from "../types.ts";

export const DB_PATH = "/db";

/** Opens `/db` on the disk; time stands still unless a clock is given. */
export function openOn(
  disk: FaultDisk,
  options: BackendOptions = {},
  clock: VirtualClock = new VirtualClock(),
): Promise<BoltBackend> {
  const deps = { disk, clock, logger: new NullLogger() };
  return openBackend(deps, DB_PATH, { ensureBuckets: ETCD_BUCKETS, ...options });
}

/** Time passes with every look at it, so that long work is cut into many slices. */
export class RestlessClock extends VirtualClock {
  override nowMs(): number {
    this.advance(STEP_MS);
    return super.nowMs();
  }
}
const STEP_MS = 3;

/** Lets what is due in this turn of the event loop happen. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A key of the key bucket. */
export function revisionKey(main: number, sub = 0, tombstone = false): Buffer {
  const key = Buffer.alloc(tombstone ? 18 : 17, "t");
  key.writeBigUInt64BE(BigInt(main), 0);
  key[8] = 0x5f;
  key.writeBigUInt64BE(BigInt(sub), 9);
  return key;
}

/** The file at `path` breaks no rule and has nothing odd. */
export async function assertSound(disk: FaultDisk, path: string = DB_PATH): Promise<void> {
  const file = disk.open(path);
  const report = await checkBolt(file);
  file.close();
  assert.deepEqual(report.errors, []);
  assert.deepEqual(report.warnings, []);
}

/** The open backend's file is sound and every page is in use or free. */
export async function assertSoundBackend(backend: BoltBackend): Promise<void> {
  const report = await checkBolt(backend.boltFile.file);
  assert.deepEqual(report.errors, []);
  assert.deepEqual(
    report.warnings.filter((warning) => !warning.startsWith("meta page")),
    [],
  );
  assert.deepEqual(await checkFreelist(backend.boltFile), []);
}

/** Sorted maps: what a backend should contain. */
export class Model {
  readonly #buckets: Map<string, Map<string, string>>;

  constructor(from?: Model) {
    this.#buckets = new Map();
    if (from === undefined) return;
    for (const [name, content] of from.#buckets) this.#buckets.set(name, new Map(content));
  }

  content(bucket: Bucket): Map<string, string> {
    let content = this.#buckets.get(bucket.name);
    if (content === undefined) {
      content = new Map();
      this.#buckets.set(bucket.name, content);
    }
    return content;
  }

  put(bucket: Bucket, key: Uint8Array, value: Uint8Array): void {
    this.content(bucket).set(latin1FromBytes(key), latin1FromBytes(value));
  }

  delete(bucket: Bucket, key: Uint8Array): void {
    this.content(bucket).delete(latin1FromBytes(key));
  }

  sorted(bucket: Bucket): [string, string][] {
    return [...this.content(bucket)].sort((a, b) => (a[0] < b[0] ? -1 : 1));
  }

  equals(reader: Reader, buckets: readonly Bucket[] = ETCD_BUCKETS): boolean {
    return buckets.every((bucket) => sameLists(readAll(reader, bucket), this.sorted(bucket)));
  }

  assertEquals(reader: Reader, buckets: readonly Bucket[] = ETCD_BUCKETS): void {
    for (const bucket of buckets) {
      const actual = readAll(reader, bucket);
      const expected = this.sorted(bucket);
      if (!sameLists(actual, expected)) assert.deepEqual(actual, expected);
    }
  }

  /** Compares a random range and a random key. */
  assertSample(reader: Reader, bucket: Bucket, random: SeededRandom): void {
    const sorted = this.sorted(bucket);
    const from = random.below(sorted.length + 1);
    const to = from + random.below(sorted.length - from + 1);
    const start = bytesFromLatin1(sorted[from]?.[0] ?? "\xff\xff\xff\xff");
    const endKey = sorted[to]?.[0];
    const end = endKey === undefined ? undefined : bytesFromLatin1(endKey);
    assert.ok(sameLists(readAll(reader, bucket, start, end), sorted.slice(from, to)), "range");
    const [key, value] = sorted[from] ?? ["missing", undefined];
    const found = reader.get(bucket, bytesFromLatin1(key));
    assert.equal(found === undefined ? undefined : latin1FromBytes(found), value);
    const jumps = Array.from({ length: 10 }, () => random.below(sorted.length + 1));
    this.#assertFinds(reader, bucket, [
      ...sorted.slice(from, to).map(([present]) => present),
      ...jumps.map((at) => sorted[at]?.[0] ?? "missing"),
      ...jumps.map((at) => latin1FromBytes(revisionKey(at, 7))),
    ]);
  }

  /** A finder, where there is one, finds what is there. */
  #assertFinds(reader: Reader, bucket: Bucket, keys: readonly string[]): void {
    const finder = reader.finder?.(bucket);
    if (finder === undefined) return;
    const content = this.content(bucket);
    for (const key of keys) {
      const isFound = finder.find(bytesFromLatin1(key));
      const value = finder.bytes.subarray(finder.start, finder.end);
      assert.equal(isFound ? latin1FromBytes(value) : undefined, content.get(key), "finder");
    }
  }
}

function sameLists(a: readonly [string, string][], b: readonly [string, string][]): boolean {
  if (a.length !== b.length) return false;
  return a.every(([key, value], at) => key === b[at]?.[0] && value === b[at]?.[1]);
}

export function readAll(
  reader: Reader,
  bucket: Bucket,
  start: Uint8Array = new Uint8Array(0),
  end?: Uint8Array,
): [string, string][] {
  const items: [string, string][] = [];
  reader.scan(bucket, start, end, (key, value) => {
    items.push([latin1FromBytes(key), latin1FromBytes(value)]);
    return true;
  });
  return items;
}

/** Applies random writes to a backend and its model alike. */
export class Writer {
  readonly #random: SeededRandom;
  #nextMain = 2;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  step(backend: BoltBackend, model: Model): void {
    const random = this.#random;
    const put = (bucket: Bucket, key: Uint8Array, value: Uint8Array): void => {
      backend.put(bucket, key, value);
      model.put(bucket, key, value);
    };
    const remove = (bucket: Bucket, key: Uint8Array): void => {
      backend.delete(bucket, key);
      model.delete(bucket, key);
    };
    const choice = random.below(100);
    if (choice < 45) {
      const tombstone = random.chance(0.1);
      put(KEY_BUCKET, revisionKey(this.#nextMain, 0, tombstone), this.#value());
      if (random.chance(0.2)) put(KEY_BUCKET, revisionKey(this.#nextMain, 1), this.#value());
      this.#nextMain++;
    } else if (choice < 65) {
      const keys = [...model.content(KEY_BUCKET).keys()];
      if (keys.length > 0) remove(KEY_BUCKET, bytesFromLatin1(random.pick(keys)));
    } else if (choice < 85) {
      put(LEASE_BUCKET, this.#key(), this.#value());
    } else if (choice < 95) {
      const keys = [...model.content(LEASE_BUCKET).keys()];
      const key = keys.length > 0 && random.chance(0.9) ? random.pick(keys) : "unknown";
      remove(LEASE_BUCKET, bytesFromLatin1(key));
    } else if (choice < 97) {
      put(KEY_BUCKET, revisionKey(random.between(1, this.#nextMain)), this.#value());
    } else {
      const index = Buffer.alloc(8);
      index.writeUInt32BE(this.#nextMain, 4);
      put(META_BUCKET, Buffer.from("consistent_index"), index);
    }
  }

  /** Deletes most of a random stretch, as compaction does. */
  deleteStretch(backend: BoltBackend, model: Model, bucket: Bucket): void {
    const keys = model.sorted(bucket).map(([key]) => key);
    const from = this.#random.below(keys.length + 1);
    const to = from + this.#random.below(keys.length - from + 1);
    const share = this.#random.pick([0.5, 0.9, 1]);
    for (const key of keys.slice(from, to)) {
      if (!this.#random.chance(share)) continue;
      backend.delete(bucket, bytesFromLatin1(key));
      model.delete(bucket, bytesFromLatin1(key));
    }
  }

  #key(): Uint8Array {
    const random = this.#random;
    const length = random.chance(0.02) ? random.between(500, 5000) : random.between(1, 24);
    return random.bytes(length);
  }

  #value(): Uint8Array {
    const random = this.#random;
    if (random.chance(0.01)) return random.bytes(random.between(4000, 60_000));
    return random.bytes(random.chance(0.1) ? 0 : random.between(1, 600));
  }
}
