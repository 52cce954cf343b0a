import assert from "node:assert/strict";
import { test } from "node:test";
import { Permission_Type, Role } from "../api/gen/auth.ts";
import { bytesFromUtf8, utf8FromBytes } from "../base/bytes.ts";
import { SeededRandom } from "../env/testing/index.ts";
import { sortAsGo } from "./pattern-sort.ts";
import { grantPermission } from "./role-edits.ts";

const LAST_LETTERS = [..."abcdefghijklmnopqrstuvw"];

/** Ends of the ranges of a role, as etcd 3.6.14 lists them after grants that a seed chooses. */
const RECORDED = [
  {
    seed: 1,
    keys: "ab",
    count: 24,
    order: "aw ak aj aq al af as al aa an bq bg bo bk bs bh bl bc bf bs bv bt",
  },
  {
    seed: 2,
    keys: "abc",
    count: 40,
    order:
      "aa af af al am ar au ac al al an ab ar aw an ah bo bm br bq be bj ba bk bv bg bp " +
      "cl ci cr ce ch ch cv cu cd cr cq cj",
  },
  {
    seed: 3,
    keys: "abcde",
    count: 70,
    order:
      "aj ar aw af au ar au ap at ar ag aq an bc bv bl ba bs bd bl bo bj bh bu bt bp bw " +
      "bb bh bp cf cf cj cr cu ck ch cq cv ch cc cs ct ca dq dt dj dn dc dw dj do db dq " +
      "du dl dk du dk ep ee et er eg ek ev ek eo",
  },
  {
    seed: 4,
    keys: "a",
    count: 49,
    order:
      "af am ap ab ag al ar aq at at aj al aa ac ap av ap ap aw ai aa ah au as ab au ao " +
      "aj ad ag aa aq ac ac ai ao am ai ak ac ak ah ae al ae",
  },
];

test("the permissions of a role lie in etcd's order, also where several have the same key", () => {
  for (const { seed, keys, count, order } of RECORDED) {
    const random = new SeededRandom(seed);
    let role = Role.create();
    for (let i = 0; i < count; i++) {
      const key = random.pick([...keys]);
      const end = key + random.pick(LAST_LETTERS);
      const [keyBytes, rangeEnd] = [bytesFromUtf8(key), bytesFromUtf8(end)];
      role = grantPermission(role, { permType: Permission_Type.READ, key: keyBytes, rangeEnd });
    }
    const found = role.keyPermission.map(({ rangeEnd }) => utf8FromBytes(rangeEnd)).join(" ");
    assert.equal(found, order, `seed ${seed}`);
  }
});

test("whatever lies in whatever order is sorted, and nothing is lost", () => {
  const shapes: Record<string, (i: number, count: number, random: SeededRandom) => number> = {
    random: (_, count, random) => random.below(count),
    "few values": (_, _count, random) => random.below(3),
    rising: (i) => i,
    falling: (i, count) => count - i,
    "all the same": () => 1,
    organ: (i, count) => Math.min(i, count - i),
    saw: (i) => i % 7,
    "rising, then anything": (i, count, random) => (i < count - 3 ? i : random.below(count)),
  };
  const random = new SeededRandom(1);
  for (const [name, shape] of Object.entries(shapes)) {
    for (const count of [0, 1, 2, 7, 8, 12, 13, 30, 49, 50, 51, 200, 1000]) {
      const items = Array.from({ length: count }, (_, i) => shape(i, count, random));
      const expected = [...items].sort((a, b) => a - b);
      sortAsGo(items, (one, other) => one < other);
      assert.deepEqual(items, expected, `${count} of ${name}`);
    }
  }
});
