/** Random requests over a small key space, so that they collide. */

import type { Compare, RequestOp, TxnRequest } from "../../api/gen/rpc.ts";
import {
  compare,
  deleteOp,
  deleteRequest,
  putOp,
  putRequest,
  rangeOp,
  rangeRequest,
  txnOp,
  txnRequest,
} from "./harness.ts";
import type { TestRandom } from "./random.ts";

export const LEASES = [1n, 2n, 0x7fff_ffff_ffff_fff1n] as const;
export const UNKNOWN_LEASE = 99n;

export function randomKey(random: TestRandom): string {
  return random.pick(["a", "b", "c", "d", "e/1", "e/2", "e/3", "\xff", "\x00", "b\x00"]);
}

export function randomEnd(random: TestRandom): string {
  if (random.chance(40)) return "";
  return random.chance(20) ? "\0" : random.pick(["b", "c", "d", "e0", "e/2", "z", "\xff\xff", "a"]);
}

export function randomPutExtra(random: TestRandom): {
  prevKv: boolean;
  lease: bigint;
  ignoreLease: boolean;
} {
  const ignoreLease = random.chance(8);
  const lease = random.chance(3) ? UNKNOWN_LEASE : random.pick([0n, 0n, 0n, ...LEASES]);
  return { prevKv: random.chance(30), ignoreLease, lease: ignoreLease ? 0n : lease };
}

export function randomPut(random: TestRandom): ReturnType<typeof putRequest> {
  const ignoreValue = random.chance(10);
  const value = ignoreValue ? "" : `v${random.below(50)}`;
  return putRequest(randomKey(random), value, { ...randomPutExtra(random), ignoreValue });
}

export function randomDelete(random: TestRandom): ReturnType<typeof deleteRequest> {
  return deleteRequest(randomKey(random), randomEnd(random), random.chance(50));
}

export function randomRange(random: TestRandom, current: number): ReturnType<typeof rangeRequest> {
  const revision = random.chance(50) ? 0 : random.below(current + 3);
  const bound = (): number => (random.chance(85) ? 0 : 1 + random.below(current + 1));
  return rangeRequest(randomKey(random), randomEnd(random), {
    revision,
    limit: random.chance(50) ? 0 : random.below(6),
    sortOrder: random.pick([0, 0, 1, 2]),
    sortTarget: random.pick([0, 0, 1, 2, 3, 4]),
    keysOnly: random.chance(15),
    countOnly: random.chance(15),
    minModRevision: bound(),
    maxModRevision: bound(),
    minCreateRevision: bound(),
    maxCreateRevision: bound(),
  });
}

function randomCompare(random: TestRandom, current: number): Compare {
  const number = random.below(current + 2);
  const unions: Compare["targetUnion"][] = [
    { case: "version", value: random.below(4) },
    { case: "createRevision", value: number },
    { case: "modRevision", value: number },
    { case: "value", value: Buffer.from(`v${random.below(50)}`) },
    { case: "lease", value: random.pick([0n, ...LEASES]) },
    undefined,
  ];
  const target = random.below(5);
  const union = random.chance(85) ? unions[target] : random.pick(unions);
  return compare(randomKey(random), target, random.below(4), union, randomEnd(random));
}

/** The caller drops those that the request check refuses. */
export function randomTxn(random: TestRandom, current: number, depth = 2): TxnRequest {
  const list = <T>(most: number, make: () => T): T[] =>
    Array.from({ length: random.below(most + 1) }, make);
  const op = (): RequestOp => {
    const kind = random.below(depth > 0 ? 10 : 8);
    if (kind < 4) {
      const ignoreValue = random.chance(10);
      const extra = { ...randomPutExtra(random), ignoreValue };
      return putOp(randomKey(random), ignoreValue ? "" : `v${random.below(50)}`, extra);
    }
    if (kind < 5) {
      // Up to "\0" the request check lets puts inside the range pass; table tests cover that.
      const end = randomEnd(random).replace("\0", "");
      return deleteOp(randomKey(random), end, random.chance(50));
    }
    if (kind >= 8) return txnOp(randomTxn(random, current, depth - 1));
    const { revision, limit, sortOrder, sortTarget } = randomRange(random, current);
    const extra = { revision: random.chance(70) ? 0 : revision, limit, sortOrder, sortTarget };
    return rangeOp(randomKey(random), randomEnd(random), extra);
  };
  return txnRequest(
    list(3, op),
    list(2, () => randomCompare(random, current)),
    list(3, op),
  );
}
