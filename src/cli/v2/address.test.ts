import assert from "node:assert/strict";
import { test } from "node:test";
import { cleanPath, encodeForm, escapePath, parseAddress } from "./address.ts";

test("addresses are read as Go reads them; without a scheme they are http", () => {
  const hrefs = ["http://a:1", "https://a/b", "a", "unix://sock:0", "localhost:2379"].map(
    (text) => {
      const parsed = parseAddress(text);
      return "error" in parsed ? parsed.error : parsed.address.href;
    },
  );
  assert.deepEqual(hrefs, [
    "http://a:1",
    "https://a/b",
    "http://a",
    "unix://sock:0",
    "localhost:2379",
  ]);
});

for (const [text, problem] of [
  ["127.0.0.1:2379", 'parse "127.0.0.1:2379": first path segment in URL cannot contain colon'],
  ["%", 'parse "%": invalid URL escape "%"'],
  [":1", 'parse ":1": missing protocol scheme'],
  ["http://a:b", 'parse "http://a:b": invalid port ":b" after host'],
  ["a\nb", 'parse "a\\nb": net/url: invalid control character in URL'],
] as const) {
  test(`${JSON.stringify(text)} is no address`, () => {
    assert.deepEqual(parseAddress(text), { error: problem });
  });
}

test("paths are cleaned and escaped, forms are sorted", () => {
  assert.equal(cleanPath("/v2/keys//a/./b/../c/"), "/v2/keys/a/c/");
  assert.equal(cleanPath("/../.."), "/");
  assert.equal(escapePath("/a b/?x%+&=:@é!"), "/a%20b/%3Fx%25+&=:@%C3%A9%21");
  assert.equal(encodeForm({ value: "a b&c~é", ttl: "1" }), "ttl=1&value=a+b%26c~%C3%A9");
});

test("bytes of a key that are no UTF-8 are sent as they are", () => {
  assert.equal(escapePath("/\udcff"), "/%FF");
});
