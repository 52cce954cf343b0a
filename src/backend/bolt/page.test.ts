import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeRevisionKey } from "../../base/revision-key.ts";
import { BRANCH_PAGE, ELEMENT_BYTES, PAGE_HEADER_BYTES, writeU16 } from "./format.ts";
import { type Page, parsePage } from "./page.ts";

/** A branch page with these first keys; the children are numbered from 2 on. */
function branchOf(keys: readonly Uint8Array[]): Page {
  const buffer = Buffer.alloc(65_536);
  writeU16(buffer, 8, BRANCH_PAGE);
  writeU16(buffer, 10, keys.length);
  let at = PAGE_HEADER_BYTES + keys.length * ELEMENT_BYTES;
  for (const [index, key] of keys.entries()) {
    const element = PAGE_HEADER_BYTES + index * ELEMENT_BYTES;
    buffer.writeUInt32LE(at - element, element);
    buffer.writeUInt32LE(key.length, element + 4);
    buffer.writeUInt32LE(index + 2, element + 8);
    buffer.set(key, at);
    at += key.length;
  }
  const page = parsePage(2, buffer, 1_000_000);
  if (typeof page === "string") assert.fail(page);
  return page;
}

/** The last key that is not above `key`, by looking at each. */
function slowChild(keys: readonly Uint8Array[], key: Uint8Array): number {
  const above = keys.findIndex((each, index) => index > 0 && Buffer.compare(each, key) > 0);
  return above < 0 ? keys.length - 1 : above - 1;
}

const revision = (main: number, sub = 0): Uint8Array => encodeRevisionKey(main, sub, false);

/** First keys of children, by how revisions are spread. */
const SPREADS: readonly (readonly [string, readonly Uint8Array[]])[] = [
  ["one child", [revision(7)]],
  ["two", [revision(7), revision(9)]],
  ["evenly", Array.from({ length: 120 }, (_, i) => revision(100 + 13 * i))],
  ["far apart in places", Array.from({ length: 120 }, (_, i) => revision(5 + i ** 3))],
  ["of one transaction", Array.from({ length: 120 }, (_, i) => revision(9, 10 * i))],
  ["over 2^32", Array.from({ length: 60 }, (_, i) => revision(2 ** 32 - 300 + 10 * i))],
  ["of few bytes", Array.from({ length: 60 }, (_, i) => Buffer.from([65, i * 2]))],
];

for (const [name, keys] of SPREADS) {
  test(`the child of a key is found among revisions: ${name}`, () => {
    const page = branchOf(keys);
    const wanted: Uint8Array[] = [
      revision(0),
      revision(2 ** 40),
      Buffer.from("z"),
      Buffer.from("A"),
    ];
    for (const key of keys) {
      wanted.push(key, Buffer.concat([key, Buffer.from([0])]));
      const before = Buffer.from(key);
      before[before.length - 1] = ((before.at(-1) ?? 0) + 255) % 256;
      wanted.push(before);
    }
    for (const key of wanted) {
      const child = slowChild(keys, key);
      assert.equal(page.childFor(key, 0, key.length), child);
      const room = Buffer.concat([Buffer.from("xx"), key, Buffer.from("yy")]);
      assert.equal(page.childFor(room, 2, 2 + key.length, Math.floor(child / 2)), child);
    }
  });
}
