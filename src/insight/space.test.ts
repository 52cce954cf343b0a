/** The survey of what fills a database, over stores in memory that count what they are asked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KeySpan } from "./key-span.ts";
import { type SpaceKey, type SpaceNode, type SpaceReader, surveySpace } from "./space.ts";

class MemoryReader implements SpaceReader {
  readonly #keys: readonly SpaceKey[];
  requests = 0;
  bytesRead = 0;

  constructor(keys: readonly SpaceKey[]) {
    this.#keys = [...keys].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async count(span: KeySpan): Promise<number> {
    this.requests++;
    return this.#within(span).length;
  }

  async page(span: KeySpan, limit: number, keysOnly: boolean): Promise<readonly SpaceKey[]> {
    this.requests++;
    const page = this.#within(span).slice(0, limit);
    for (const { key, valueBytes } of page)
      this.bytesRead += key.length + (keysOnly ? 0 : valueBytes);
    return page;
  }

  #within({ begin, end }: KeySpan): readonly SpaceKey[] {
    return this.#keys.filter(({ key }) => key >= begin && (end === "" || key < end));
  }
}

const key = (name: string, valueBytes: number, version = 1): SpaceKey => ({
  key: name,
  valueBytes,
  version,
});

const survey = (reader: SpaceReader, prefix: string, depth: number, samples = 8) =>
  surveySpace(reader, { prefix, separator: "/", depth, samples });

function shown(node: SpaceNode): string {
  const figures = `${node.keys} keys ${node.keyBytes + node.valueBytes} bytes ${node.writes} writes`;
  return `${node.kind} ${JSON.stringify(node.prefix)} ${figures}`;
}

test("few keys are told exactly, child by child, with those that stand in none", async () => {
  const reader = new MemoryReader([
    key("/a/1", 10),
    key("/a/2", 10, 5),
    key("/b/x/1", 100, 3),
    key("/b/x/2", 100),
    key("/b/y", 7),
    key("/c", 1),
    key("//empty segment", 2),
    key("other", 1),
  ]);
  const root = await survey(reader, "/", 2);
  assert.equal(shown(root), 'prefix "/" 7 keys 271 bytes 13 writes');
  assert.deepEqual(root.children.map(shown), [
    'prefix "/b/" 3 keys 223 bytes 5 writes',
    'prefix "/a/" 2 keys 28 bytes 6 writes',
    'prefix "//" 1 keys 17 bytes 1 writes',
    'keys "/" 1 keys 3 bytes 1 writes',
  ]);
  assert.deepEqual(root.children[0]?.children.map(shown), [
    'prefix "/b/x/" 2 keys 212 bytes 4 writes',
    'keys "/b/" 1 keys 11 bytes 1 writes',
  ]);
  assert.equal(root.sampled, root.keys);
});

test("a prefix without keys is told as such", async () => {
  const root = await survey(new MemoryReader([key("a", 1)]), "/nothing/", 1);
  assert.equal(shown(root), 'prefix "/nothing/" 0 keys 0 bytes 0 writes');
});

test("keys of any bytes have their place, up to the last byte", async () => {
  const names = ["\xff\xff", "\xff/\xff", "\0/", "\0"];
  const root = await survey(new MemoryReader(names.map((name) => key(name, 1))), "", 1);
  assert.equal(root.keys, 4);
  const found = root.children.map(({ kind, prefix }) => `${kind} ${JSON.stringify(prefix)}`).sort();
  assert.deepEqual(found, ['keys ""', 'prefix "\\u0000/"', 'prefix "ÿ/"']);
});

test("many keys cost few requests, and large values are weighed by the count of their group", async () => {
  const keys: SpaceKey[] = [];
  for (let i = 0; i < 20_000; i++) {
    const name = String(i).padStart(6, "0");
    // Those from 10,000 on are a hundred times as large.
    keys.push(key(`/big/${name}`, i < 10_000 ? 10 : 1000, 2));
  }
  const reader = new MemoryReader(keys);
  const root = await survey(reader, "/", 1, 8);
  const [big] = root.children;
  const real = 20_000 * 11 + 10_000 * 10 + 10_000 * 1000;
  assert.equal(big?.keys, 20_000);
  assert.ok(Math.abs(big.keyBytes + big.valueBytes - real) < real / 20, shown(big));
  assert.equal(big.writes, 40_000);
  assert.ok(big.sampled < 1500 && big.sampled > 0, `${big.sampled} keys sampled`);
  assert.ok(reader.requests < 80, `${reader.requests} requests`);
  assert.ok(reader.bytesRead < 1_000_000, `${reader.bytesRead} bytes`);
});

test("more children than can be told apart are one rest, counted", async () => {
  const keys = Array.from({ length: 1000 }, (_, i) => key(`/${String(i).padStart(4, "0")}/k`, 1));
  const root = await survey(new MemoryReader(keys), "/", 1);
  assert.equal(root.keys, 1000);
  const rest = root.children.find(({ kind }) => kind === "rest");
  assert.ok(rest !== undefined && rest.keys > 700, "no rest");
  assert.ok(root.children.length < 300);
});

test("ten thousand keys in a row are not walked over", async () => {
  const keys = Array.from({ length: 10_000 }, (_, i) => key(`/${String(i).padStart(6, "0")}`, 1));
  const reader = new MemoryReader(keys);
  const root = await survey(reader, "/", 1);
  assert.equal(shown(root), 'prefix "/" 10000 keys 80000 bytes 10000 writes');
  assert.ok(reader.requests < 80, `${reader.requests} requests`);
});

test("large values are read a few at a time", async () => {
  const keys = Array.from({ length: 500 }, (_, i) => key(`/${String(i).padStart(4, "0")}`, 1e6));
  const reader = new MemoryReader(keys);
  const root = await survey(reader, "/", 0, 4);
  assert.equal(root.valueBytes, 500e6);
  assert.ok(reader.bytesRead < 15e6, `${reader.bytesRead} bytes`);
});

test("a survey ends when its observer throws", async () => {
  const reader = new MemoryReader([key("/a", 1), key("/b", 1)]);
  const options = { prefix: "/", separator: "/", depth: 1, samples: 1 };
  const onRequest = (requests: number): void => {
    if (requests === 2) throw new Error("cancelled");
  };
  await assert.rejects(surveySpace(reader, { ...options, onRequest }), /cancelled/);
  assert.equal(reader.requests, 2);
});
