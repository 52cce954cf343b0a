import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../api/api-error.ts";
import { latin1, shownText, utf8 } from "../api/bytes.ts";
import type { Ranger } from "./level.ts";
import { type Row, TreeStore } from "./tree-store.ts";

function rangerOf(keys: readonly string[], refuse: () => boolean = () => false): Ranger {
  const sorted = keys.toSorted();
  return async ({ key, end, limit = 0 }) => {
    if (refuse()) throw new ApiError("denied", "permission denied", 7);
    const to = end === undefined || latin1(end) === "\0" ? "\uffff" : latin1(end);
    const inside = sorted.filter((each) => each >= latin1(key) && each < to);
    const kvs = inside.slice(0, limit).map((each) => ({
      ...{ key: utf8(each), value: utf8(""), createRevision: 1, modRevision: 1, version: 1 },
      lease: "0",
    }));
    return { kvs, more: inside.length > limit, count: inside.length, revision: 1 };
  };
}

function treeOf(range: Ranger): TreeStore {
  return new TreeStore({ range, root: utf8(""), separator: utf8("/"), revision: 0 });
}

function shown(rows: readonly Row[]): string[] {
  return rows.map((row) => {
    const indent = "  ".repeat(row.depth);
    if (row.kind === "branch") return `${indent}${row.isOpen ? "-" : "+"} ${shownText(row.prefix)}`;
    return row.kind === "leaf" ? `${indent}${shownText(row.key)}` : `${indent}(${row.kind})`;
  });
}

/** The rows once nothing is being loaded. */
async function settled(tree: TreeStore): Promise<string[]> {
  await new Promise<void>((resolve) => {
    const check = (): void => {
      if (!tree.rows.value.some(({ kind }) => kind === "more")) resolve();
    };
    tree.rows.subscribe(check);
    check();
  });
  return shown(tree.rows.value);
}

test("branches open and close; one that is alone is opened at once", async () => {
  const tree = treeOf(rangerOf(["/a/x", "/a/y", "/b", "/c/d/e"]));
  assert.deepEqual(await settled(tree), ["- /", "  + /a/", "  /b", "  + /c/"]);
  tree.toggle(utf8("/c/"));
  assert.deepEqual(await settled(tree), [
    ...["- /", "  + /a/", "  /b", "  - /c/", "    - /c/d/", "      /c/d/e"],
  ]);
  tree.toggle(utf8("/"));
  assert.deepEqual(shown(tree.rows.value), ["+ /"]);
});

test("a level that is refused says so in its place, and can be tried again", async () => {
  let refused = true;
  const tree = treeOf(rangerOf(["k"], () => refused));
  assert.deepEqual(await settled(tree), ["(failed)"]);
  refused = false;
  await tree.more(utf8(""));
  assert.deepEqual(await settled(tree), ["k"]);
});

test("a long level is loaded as it is scrolled to, and gives its beginning up", async () => {
  const keys = Array.from({ length: 21_000 }, (_, i) => `k${String(i).padStart(6, "0")}`);
  const pages = rangerOf(keys);
  // Filtering all keys for each question would be slow; the next question begins where one ended.
  const range: Ranger = async (request, signal) => {
    const at = keys.findIndex((key) => key >= latin1(request.key));
    const slice = rangerOf(keys.slice(at, at + (request.limit ?? 0) + 1));
    return at < 0 ? pages(request, signal) : slice(request, signal);
  };
  const tree = treeOf(range);
  await tree.more(utf8(""));
  while (!shown(tree.rows.value).at(-1)?.includes("k020999")) {
    await new Promise((resolve) => setImmediate(resolve));
    await tree.more(utf8(""));
  }
  assert.equal(tree.rows.value.length, 20_001);
  assert.equal(tree.rows.value[0]?.kind, "earlier");
  await tree.restart(utf8(""));
  assert.equal(shown(tree.rows.value)[0], "k000000");
});
