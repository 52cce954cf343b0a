import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../api/api-error.ts";
import { utf8 } from "../api/bytes.ts";
import type { KeyValue } from "../api/kv.ts";
import type { Ranger } from "../keys/level.ts";
import { oldestRevision, walkVersions } from "./versions.ts";

const signal = new AbortController().signal;

/** One key that was made at revision 10 and changed at 15 and 40; now is revision 100. */
function keyCompactedAt(compacted: number): { range: Ranger; questions: () => number } {
  const all = [10, 15, 40].map(
    (modRevision, i): KeyValue => ({
      ...{ key: utf8("k"), value: utf8(`v${i + 1}`), createRevision: 10, modRevision },
      ...{ version: i + 1, lease: "0" },
    }),
  );
  let questions = 0;
  const range: Ranger = async ({ revision = 0 }) => {
    questions++;
    if (revision < compacted) {
      throw new ApiError("refused", "etcdserver: mvcc: required revision has been compacted", 11);
    }
    const kv = all.findLast(({ modRevision }) => modRevision <= revision);
    return { kvs: kv === undefined ? [] : [kv], more: false, count: 1, revision: 100 };
  };
  return { range, questions: () => questions };
}

async function walk(compacted: number, from: number, count = 10): Promise<string> {
  const { range } = keyCompactedAt(compacted);
  const { versions, end } = await walkVersions(range, utf8("k"), from, count, signal);
  return `${versions.map(({ modRevision }) => modRevision).join(",")} ${end}`;
}

test("versions are walked back to the creation of the key, or to the compaction", async () => {
  assert.equal(await walk(0, 100), "40,15,10 created");
  assert.equal(await walk(0, 20), "15,10 created");
  assert.equal(await walk(0, 5), " created");
  assert.equal(await walk(30, 100), "40,15 compacted");
  assert.equal(await walk(40, 100), "40 compacted");
  assert.equal(await walk(0, 100, 2), "40,15 more");
});

test("the oldest revision that can be read is found in few questions", async () => {
  for (const compacted of [0, 1, 37, 99, 100]) {
    const { range, questions } = keyCompactedAt(compacted);
    assert.equal(await oldestRevision(range, utf8("k"), 100, signal), Math.max(1, compacted));
    assert.ok(questions() <= 8);
  }
});
