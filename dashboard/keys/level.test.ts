import assert from "node:assert/strict";
import { test } from "node:test";
import { latin1, prefixEnd, shownText, utf8 } from "../api/bytes.ts";
import type { RangeRequest } from "../api/kv.ts";
import { ancestorsOf, bytesOfChild, loadLevel, type Ranger } from "./level.ts";

/** A store of keys that counts the keys it has been asked for. */
function storeOf(keys: readonly Uint8Array[]) {
  const sorted = keys.map(latin1).sort();
  const bytesOf = new Map(keys.map((key) => [latin1(key), key]));
  const store = { keysRead: 0, questions: 0 };
  const range: Ranger = async ({ key, end, limit = 0 }: RangeRequest) => {
    const from = latin1(key);
    const to = end === undefined || (end.length === 1 && end[0] === 0) ? undefined : latin1(end);
    const first = sorted.findIndex((each) => each >= from);
    const rest = first < 0 ? [] : sorted.slice(first);
    const inside = to === undefined ? rest : rest.filter((each) => each < to);
    const taken = limit > 0 ? inside.slice(0, limit) : inside;
    store.keysRead += taken.length;
    store.questions++;
    const kvs = taken.map((each) => ({
      key: bytesOf.get(each) ?? new Uint8Array(0),
      value: new Uint8Array(0),
      createRevision: 1,
      modRevision: 1,
      version: 1,
      lease: "0",
    }));
    return { kvs, more: inside.length > taken.length, count: inside.length, revision: 1 };
  };
  return { store, range };
}

async function namesOf(range: Ranger, prefix: string, separator = "/"): Promise<string[]> {
  const names: string[] = [];
  let from: Uint8Array | undefined;
  do {
    const query = { prefix: utf8(prefix), separator: utf8(separator), revision: 0, from };
    const page = await loadLevel(range, query, new AbortController().signal);
    names.push(...page.children.map((child) => `${child.kind} ${shownText(bytesOfChild(child))}`));
    from = page.next;
  } while (from !== undefined);
  return names;
}

test("a level has each child once: branches with their separator, and keys", async () => {
  const keys = ["a", "a/", "a/b", "a/b/c", "a//d", "a0", "b/x", "c"].map(utf8);
  const { range } = storeOf(keys);
  assert.deepEqual(await namesOf(range, ""), [
    "leaf a",
    "branch a/",
    "leaf a0",
    "branch b/",
    "leaf c",
  ]);
  // An empty segment is a branch of its own; a key may end with the separator.
  assert.deepEqual(await namesOf(range, "a/"), [
    "leaf a/",
    "branch a//",
    "leaf a/b",
    "branch a/b/",
  ]);
  // A prefix need not end with a separator.
  assert.deepEqual(await namesOf(range, "a"), ["leaf a", "branch a/", "leaf a0"]);
  assert.deepEqual(await namesOf(range, "", "/b"), [
    ...["leaf a", "leaf a/", "leaf a//d", "branch a/b", "leaf a0", "leaf b/x", "leaf c"],
  ]);
  assert.deepEqual(
    await namesOf(range, "", ""),
    keys.map((key) => `leaf ${shownText(key)}`).sort(),
  );
});

test("bytes that are no text are keys like others, up to the last one", async () => {
  const keys = [[0], [0, 0x2f, 1], [0xff], [0xff, 0x2f, 0xff], [0xff, 0xff, 0x2f, 0xff, 0xff]];
  const { range } = storeOf(keys.map((key) => Uint8Array.from(key)));
  assert.deepEqual(await namesOf(range, ""), [
    "leaf \\x00",
    "branch \\x00/",
    "leaf \\xff",
    "branch \\xff/",
    "branch \\xff\\xff/",
  ]);
  assert.equal(shownText(prefixEnd(Uint8Array.of(1, 0xff, 0xff))), "\\x02");
});

test("what lies below a child is skipped, not read", async () => {
  const keys = Array.from({ length: 50 }, (_, i) =>
    Array.from({ length: 400 }, (_, j) => utf8(`dir${String(i).padStart(2, "0")}/key${j}`)),
  ).flat();
  const { store, range } = storeOf(keys);
  assert.equal((await namesOf(range, "")).length, 50);
  assert.ok(store.keysRead < keys.length / 20, `${store.keysRead} keys read`);
});

test("a level with many keys comes in pages, of few questions each", async () => {
  const keys = Array.from({ length: 3000 }, (_, i) => utf8(`k${String(i).padStart(5, "0")}`));
  const { store, range } = storeOf(keys);
  const query = { prefix: utf8(""), separator: utf8("/"), revision: 0, from: undefined };
  const page = await loadLevel(range, query, new AbortController().signal);
  assert.ok(page.children.length < 1000);
  assert.ok(store.questions <= 4);
  assert.equal((await namesOf(range, "")).length, 3000);
});

test("the ancestors of a key are its prefixes up to each separator", () => {
  const shown = (key: string, root: string): string[] =>
    ancestorsOf(utf8(key), utf8(root), utf8("/")).map(shownText);
  assert.deepEqual(shown("/a//b", ""), ["/", "/a/", "/a//"]);
  assert.deepEqual(shown("/a/b", "/a"), ["/a/"]);
  assert.deepEqual(shown("plain", ""), []);
});
