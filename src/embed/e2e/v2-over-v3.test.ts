/** The v2 API over v3 keys: what etcd's answers in this mode leave out, and what users rely on. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TestMember } from "./harness.ts";

let member: TestMember;
before(async () => {
  const flags = { "enable-v2": true, "experimental-enable-v2v3": "/pre" };
  member = await TestMember.start(flags);
});
after(() => member.remove());

interface Node {
  readonly key?: string;
  readonly value?: string;
  readonly dir?: boolean;
  readonly modifiedIndex: number;
  readonly createdIndex: number;
  readonly nodes?: readonly Node[];
}

interface Answer {
  readonly status: number;
  readonly index: number;
  readonly body: {
    readonly action?: string;
    readonly node?: Node;
    readonly prevNode?: Node;
    readonly errorCode?: number;
    readonly cause?: string;
  };
}

async function open(method: string, path: string, user?: string): Promise<Response> {
  const headers = user === undefined ? {} : { authorization: `Basic ${btoa(user)}` };
  return fetch(`http://127.0.0.1:${member.port}/v2/keys${path}`, { method, headers });
}

async function ask(method: string, path: string, user?: string): Promise<Answer> {
  return answerOf(await open(method, path, user));
}

async function answerOf(response: Response): Promise<Answer> {
  const index = Number(response.headers.get("x-etcd-index"));
  return { status: response.status, index, body: (await response.json()) as Answer["body"] };
}

async function gatewayAnswer(path: string, request: unknown): Promise<unknown> {
  const url = `http://127.0.0.1:${member.port}/v3/${path}`;
  return (await fetch(url, { method: "POST", body: JSON.stringify(request) })).json();
}

function keysIn(node: Node | undefined): string[] {
  return (node?.nodes ?? []).flatMap((child) => [child.key ?? "", ...keysIn(child)]);
}

test("keys lie below the prefix, and no lifetime is taken", async () => {
  const set = await ask("PUT", "/dir/a?value=1");
  assert.equal(set.status, 201);
  const key = btoa("/pre/003/k//1/dir/a");
  const found = await gatewayAnswer("kv/range", { key });
  const { kvs } = found as { readonly kvs: readonly { readonly mod_revision: string }[] };
  assert.equal(Number(kvs[0]?.mod_revision), (set.body.node?.modifiedIndex ?? 0) + 1);
  const refused = await ask("PUT", "/dir/a?value=1&ttl=9");
  assert.deepEqual([refused.status, refused.body.cause], [500, "TTLs are unsupported"]);
});

test("a change is made only at the index that was asked for", async () => {
  const at = (await ask("PUT", "/cas?value=1")).body.node?.modifiedIndex ?? 0;
  assert.equal((await ask("PUT", `/cas?value=2&prevIndex=${at - 1}`)).body.errorCode, 101);
  assert.equal((await ask("PUT", `/cas?value=2&prevIndex=${at}`)).body.prevNode?.value, "1");
  assert.equal((await ask("DELETE", `/cas?prevIndex=${at}`)).body.errorCode, 101);
  assert.equal((await ask("DELETE", `/cas?prevIndex=${at + 1}`)).body.prevNode?.value, "2");
});

test("a directory is listed and deleted without those whose names begin as its own", async () => {
  for (const path of ["/foo/x/y", "/foobar/z", "/foobar/_h"]) await ask("PUT", `${path}?value=1`);
  const { body } = await ask("GET", "/foo?recursive=true");
  assert.deepEqual(keysIn(body.node), ["/foo/x", "/foo/x/y"]);
  assert.equal((await ask("DELETE", "/foo?recursive=true")).body.prevNode?.key, "/foo");
  assert.equal((await ask("GET", "/foo")).body.errorCode, 100);
  assert.deepEqual(keysIn((await ask("GET", "/foobar")).body.node), ["/foobar/_h", "/foobar/z"]);
});

test("keys in order are told by their names, which follow each other", async () => {
  const made = await Promise.all([1, 2, 3, 4].map(() => ask("POST", "/queue?value=x")));
  made.push(await ask("POST", "/queue?value=last"));
  const { body } = await ask("GET", "/queue");
  const listed = keysIn(body.node);
  assert.deepEqual(made.map((answer) => answer.body.node?.key ?? "").sort(), listed);
  assert.equal(listed.at(-1), made.at(-1)?.body.node?.key);
  assert.match(listed[0] ?? "", /^\/queue\/\d{20}$/);
});

test("a wait from the index after a change hears of the next, and not of the same", async () => {
  const first = (await ask("PUT", "/w?value=1")).body.node?.modifiedIndex ?? 0;
  const same = await ask("GET", `/w?wait=true&waitIndex=${first}`);
  assert.equal(same.body.node?.value, "1");
  const next = await open("GET", `/w?wait=true&waitIndex=${first + 1}`);
  await ask("PUT", "/w?value=2");
  assert.equal((await answerOf(next)).body.node?.value, "2");
});

test("who waits below a deleted directory, and for all of its parent, hears of the deletion", async () => {
  await ask("PUT", "/tree/dir/key?value=1");
  const waits = [
    "/tree?wait=true&recursive=true",
    "/tree/dir/key?wait=true",
    "/tree/dir?wait=true",
  ];
  const open_ = await Promise.all(waits.map((path) => open("GET", path)));
  await ask("DELETE", "/tree/dir?recursive=true");
  for (const response of open_) {
    const { action, node } = (await answerOf(response)).body;
    assert.deepEqual([action, node?.key], ["delete", "/tree/dir"]);
  }
});

test("a wait from before a compaction is refused with the code of that", async () => {
  const { index } = await ask("PUT", "/c?value=1");
  await gatewayAnswer("kv/compaction", { revision: index + 1 });
  await ask("PUT", "/c?value=2");
  const refused = await ask("GET", "/c?wait=true&waitIndex=1");
  assert.deepEqual([refused.status, refused.body.errorCode], [400, 401]);
});

test("more keys than a page are listed in order", async () => {
  const names = Array.from({ length: 1100 }, (_, i) => `/many/${String(i).padStart(4, "0")}`);
  for (let at = 0; at < names.length; at += 100) {
    await Promise.all(names.slice(at, at + 100).map((name) => ask("PUT", `${name}?value=1`)));
  }
  assert.deepEqual(keysIn((await ask("GET", "/many?recursive=true")).body.node), names);
});

test("users are kept among the same keys, and asked for", async () => {
  const put = async (path: string, body: unknown): Promise<number> => {
    const headers = { "content-type": "application/json" };
    const init = { method: "PUT", headers, body: JSON.stringify(body) };
    return (await fetch(`http://127.0.0.1:${member.port}/v2/auth/${path}`, init)).status;
  };
  assert.equal(await put("users/root", { user: "root", password: "pw" }), 201);
  assert.equal(await put("enable", undefined), 200);
  const url = `http://127.0.0.1:${member.port}/v2/auth/roles/guest`;
  const headers = { authorization: `Basic ${btoa("root:pw")}` };
  assert.equal((await fetch(url, { method: "DELETE", headers })).status, 200);
  assert.equal((await open("GET", "/w")).status, 401);
  assert.equal((await ask("GET", "/w", "root:pw")).status, 200);
  const kept = await gatewayAnswer("kv/range", { key: btoa("/pre/002/k//2/enabled") });
  const { kvs } = kept as { readonly kvs: readonly { readonly value: string }[] };
  assert.equal(atob(kvs[0]?.value ?? ""), "true");
});
