/** The suite of namespaces on the server of this repository, and key ranges by themselves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prefixEnd } from "../bytes.ts";
import { namespaceSuite } from "../testing/suite-namespace.ts";
import { OUR_WORLD } from "../testing/world.ts";
import { KeyPrefix } from "./key-prefix.ts";

namespaceSuite(OUR_WORLD);

test("ranges of a namespace stay inside it", () => {
  const bytes = (text: string): Uint8Array => Buffer.from(text, "latin1");
  const range = (prefix: string, key: string, end: string): string[] => {
    const inside = new KeyPrefix(bytes(prefix)).addToRange({
      key: bytes(key),
      rangeEnd: bytes(end),
    });
    return [inside.key, inside.rangeEnd].map((each) => Buffer.from(each).toString("latin1"));
  };
  assert.deepEqual(range("p/", "a", ""), ["p/a", ""]);
  assert.deepEqual(range("p/", "a", "c"), ["p/a", "p/c"]);
  assert.deepEqual(range("p/", "a", "\0"), ["p/a", "p0"]);
  assert.deepEqual(range("p/", "\0", "\0"), ["p/\0", "p0"]);
  // "p\xff" ends where "q" begins: a carry that kept a zero byte would let "q" in.
  assert.deepEqual(range("p\xff", "\0", "\0"), ["p\xff\0", "q"]);
  assert.deepEqual(range("\xff\xff", "a", "\0"), ["\xff\xffa", "\0"]);
  const all = Buffer.from(prefixEnd(bytes("\xff"))).toString("latin1");
  assert.deepEqual(range("p/", "\xff", all), ["p/\xff", "p0"]);
  assert.throws(() => range("p/", "", ""), { kind: "emptyKey" });
  assert.throws(() => new KeyPrefix(""), TypeError);
});
