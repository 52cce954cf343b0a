/** The v2 API of one member, over sockets. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TestMember } from "./harness.ts";
import { until } from "./wait.ts";

let member: TestMember;
before(async () => {
  member = await TestMember.start({ "enable-v2": true });
});
after(() => member.remove());

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

interface Ask {
  readonly form?: string;
  readonly json?: unknown;
  readonly user?: string;
}

async function ask(method: string, path: string, { form, json, user }: Ask = {}): Promise<Answer> {
  const headers: Record<string, string> = {};
  if (form !== undefined) headers["content-type"] = "application/x-www-form-urlencoded";
  if (json !== undefined) headers["content-type"] = "application/json";
  if (user !== undefined) headers["authorization"] = `Basic ${btoa(user)}`;
  const body = form ?? (json === undefined ? null : JSON.stringify(json));
  const response = await fetch(`http://127.0.0.1:${member.port}/v2${path}`, {
    method,
    headers,
    body,
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}

async function watchers(): Promise<number> {
  const { text } = await ask("GET", "/stats/store");
  return (JSON.parse(text) as { watchers: number }).watchers;
}

test("a key is set by form or query, read, and deleted, with its index in the head", async () => {
  const set = await ask("PUT", "/keys/dir/a", { form: "value=x%20y" });
  assert.equal(set.status, 201);
  assert.match(set.headers.get("x-etcd-cluster-id") ?? "", /^[0-9a-f]+$/);
  const index = Number(set.headers.get("x-etcd-index"));
  const indexes = `"modifiedIndex":${index},"createdIndex":${index}`;
  assert.equal(set.text, `{"action":"set","node":{"key":"/dir/a","value":"x y",${indexes}}}\n`);
  assert.equal(
    (await ask("PUT", "/keys/dir/a?value=2&noValueOnSuccess=true")).text,
    '{"action":"set"}\n',
  );
  const missing = await ask("GET", "/keys/no/key?quorum=true");
  assert.equal(missing.status, 404);
  const error = `{"errorCode":100,"message":"Key not found","cause":"/no","index":${index + 1}}\n`;
  assert.equal(missing.text, error);
  assert.equal((await ask("HEAD", "/keys/dir/a")).text, "");
  const other = await ask("PATCH", "/keys/dir/a");
  assert.equal(other.status, 405);
  assert.equal(other.headers.get("allow"), "HEAD,GET,PUT,POST,DELETE");
  assert.equal((await ask("DELETE", "/keys/dir?recursive=true")).status, 200);
});

test("a form that is none, or too large, is refused and changes nothing", async () => {
  const reasonOf = async (path: string, form?: string): Promise<string> => {
    const { text } = await ask("PUT", path, form === undefined ? {} : { form });
    const { errorCode, cause } = JSON.parse(text) as { errorCode: number; cause: string };
    return `${errorCode} ${cause}`;
  };
  assert.equal(await reasonOf("/keys/k?value=%zz"), '210 invalid URL escape "%zz"');
  assert.equal(await reasonOf("/keys/k", "a;b"), "210 invalid semicolon separator in query");
  assert.equal(await reasonOf("/keys/k?dir=yes"), '209 invalid value for "dir"');
  assert.equal(await reasonOf("/keys/k?ttl=-1"), '202 invalid value for "ttl"');
  assert.equal(await reasonOf("/keys/k?prevIndex=x"), '203 invalid value for "prevIndex"');
  assert.equal(
    await reasonOf("/keys/k?refresh=true&value=1&ttl=1"),
    "211 A value was provided on a refresh",
  );
  const large = `value=${"x".repeat(10_485_761)}`;
  assert.equal(await reasonOf("/keys/k", large), "210 http: POST too large");
  assert.equal((await ask("GET", "/keys/k")).status, 404);
});

test("all who wait hear of the change, and are forgotten when they leave", async () => {
  const waits = Array.from({ length: 20 }, () => ask("GET", "/keys/w?wait=true&recursive=true"));
  const leaving = new AbortController();
  const left = fetch(`http://127.0.0.1:${member.port}/v2/keys/other?wait=true`, {
    signal: leaving.signal,
  });
  await until(async () => (await watchers()) === 21, "21 watchers");
  assert.equal((await left).status, 200);
  leaving.abort();
  await until(async () => (await watchers()) === 20, "one has left");
  await ask("PUT", "/keys/w/a", { form: "value=1" });
  for (const { text } of await Promise.all(waits))
    assert.match(text, /^\{"action":"set".*"\/w\/a"/);
  assert.equal(await watchers(), 0);
});

test("a stream tells of every change, and a key of the past is told of at once", async () => {
  const from = await fetch(`http://127.0.0.1:${member.port}/v2/keys/s?wait=true&stream=true`);
  const reader = from.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert.ok(reader !== undefined);
  const values: string[] = [];
  for (const value of ["1", "2", "3"]) {
    await ask("PUT", "/keys/s", { form: `value=${value}` });
    const { value: line = "" } = await reader.read();
    values.push((JSON.parse(line) as { node: { value: string } }).node.value);
  }
  assert.deepEqual(values, ["1", "2", "3"]);
  await reader.cancel();
  const index = Number((await ask("GET", "/keys/s")).headers.get("x-etcd-index"));
  const past = await ask("GET", `/keys/s?wait=true&waitIndex=${index - 1}`);
  assert.match(past.text, /"value":"2"/);
});

test("a key with a TTL ends by itself, and who waits for it hears", async () => {
  const { text, headers } = await ask("PUT", "/keys/ends", { form: "value=x&ttl=1" });
  assert.match(text, /"expiration":"[^"]+Z","ttl":[01],/);
  const next = Number(headers.get("x-etcd-index")) + 1;
  const waited = await ask("GET", `/keys/ends?wait=true&waitIndex=${next}`);
  assert.match(waited.text, /^\{"action":"expire"/);
  assert.equal((await ask("GET", "/keys/ends")).status, 404);
});

test("members are shown and changed; what cannot be is refused in etcd's words", async () => {
  const { members } = JSON.parse((await ask("GET", "/members")).text) as {
    members: { id: string; peerURLs: string[] }[];
  };
  const [{ id, peerURLs } = { id: "", peerURLs: [] }] = members;
  assert.match((await ask("GET", "/members/leader")).text, new RegExp(`^\\{"id":"${id}"`));
  assert.equal((await ask("PUT", `/members/${id}`, { json: { peerURLs } })).status, 204);
  const message = async (method: string, path: string, more: Ask): Promise<string> => {
    const { status, text } = await ask(method, path, more);
    return `${status} ${text}`;
  };
  assert.equal(
    await message("POST", "/members", { json: { peerURLs } }),
    '409 {"message":"membership: peerURL exists"}',
  );
  assert.equal(
    await message("POST", "/members", { form: "x" }),
    '415 {"message":"Bad Content-Type application/x-www-form-urlencoded, accept application/json"}',
  );
  assert.equal(await message("DELETE", "/members/zz", {}), '404 {"message":"No such member: zz"}');
  assert.match((await ask("GET", "/machines")).text, /^http/);
  assert.match((await ask("GET", "/stats/self")).text, /"state":"StateLeader"/);
});

test("with users, guests and others may only do what their roles say", async () => {
  const root = "root:secret";
  const put = (path: string, json: unknown, user?: string) =>
    ask("PUT", path, { json, ...(user === undefined ? {} : { user }) });
  const noRoot = await put("/auth/enable", {});
  assert.equal(noRoot.text, '{"message":"auth: No root user available, please create one"}');
  assert.equal((await put("/auth/users/root", { user: "root", password: "secret" })).status, 201);
  assert.equal((await put("/auth/enable", {})).status, 200);
  const kv = { read: ["/open/*"], write: ["/open/a"] };
  assert.equal((await put("/auth/roles/r", { role: "r", permissions: { kv } })).status, 401);
  assert.equal((await put("/auth/roles/r", { role: "r", permissions: { kv } }, root)).status, 201);
  const user = { user: "u", password: "pw", roles: ["r"] };
  assert.equal((await put("/auth/users/u", user, root)).text, '{"user":"u","roles":["r"]}\n');
  const everything = { kv: { read: ["/*"], write: ["/*"] } };
  assert.equal(
    (await put("/auth/roles/guest", { role: "guest", revoke: everything }, root)).status,
    200,
  );
  const allowed = async (method: string, path: string, who?: string): Promise<boolean> => {
    const { status } = await ask(method, `/keys${path}`, {
      ...(who === undefined ? {} : { user: who }),
      ...(method === "PUT" ? { form: "value=1" } : {}),
    });
    return status !== 401;
  };
  assert.deepEqual(
    [
      await allowed("GET", "/open/a"),
      await allowed("PUT", "/open/a", "u:pw"),
      await allowed("PUT", "/open/b", "u:pw"),
      await allowed("GET", "/open/b", "u:pw"),
      await allowed("GET", "/open/b", "u:wrong"),
      await allowed("PUT", "/anything", root),
    ],
    [false, true, false, true, false, true],
  );
  assert.equal((await ask("DELETE", "/members/1", { user: "u:pw" })).status, 401);
  assert.doesNotMatch((await ask("GET", "/auth/users", { user: root })).text, /password|\$2a/);
  assert.equal((await ask("DELETE", "/auth/enable", { user: root })).status, 200);
  assert.equal(await allowed("GET", "/open/a"), true);
});

test("requests and what they do to the store are counted as etcd counts them", async () => {
  const names = [
    'etcd_http_received_total{method="PUT"}',
    'etcd_http_received_total{method="QGET"}',
    'etcd_http_failed_total{code="404",method="GET"}',
    'etcd_http_successful_duration_seconds_count{method="PUT"}',
    'etcd_debugging_store_reads_total{action="get"}',
    'etcd_debugging_store_reads_total{action="getRecursive"}',
    'etcd_debugging_store_writes_total{action="set"}',
    "etcd_debugging_store_watch_requests_total",
    "etcd_debugging_store_watchers",
  ];
  const read = async (): Promise<number[]> => {
    const response = await fetch(`http://127.0.0.1:${member.port}/metrics`);
    const lines = (await response.text()).split("\n");
    return names.map((name) => {
      const line = lines.find((each) => each.startsWith(`${name} `));
      return line === undefined ? 0 : Number(line.slice(name.length));
    });
  };
  const before = await read();
  await ask("PUT", "/keys/counted", { form: "value=1" });
  await ask("GET", "/keys/counted?quorum=true");
  await ask("GET", "/keys/counted?recursive=true");
  await ask("GET", "/keys/missing");
  const left = new AbortController();
  const wait = await fetch(`http://127.0.0.1:${member.port}/v2/keys/counted?wait=true`, {
    signal: left.signal,
  });
  const after = await read();
  // Each of the five requests looks whether there are users, which is a read, too.
  assert.deepEqual(
    after.map((value, i) => value - (before[i] ?? 0)),
    [1, 1, 1, 1, 2 + 5, 1, 1, 1, 1],
  );
  left.abort();
  await wait.text().catch(() => undefined);
});

test("a health check is an entry of the log, as in etcd with the v2 API", async () => {
  const indexOf = async (): Promise<number> =>
    Number((await ask("GET", "/keys/")).headers.get("x-raft-index"));
  const before = await indexOf();
  assert.equal((await fetch(`http://127.0.0.1:${member.port}/health`)).status, 200);
  assert.ok((await indexOf()) > before);
});

test("who waits does not keep a member that is to stop", async () => {
  const stopping = await TestMember.start({ "enable-v2": true });
  const waits = Array.from({ length: 3 }, async () => {
    const response = await fetch(`http://127.0.0.1:${stopping.port}/v2/keys/never?wait=true`);
    return response.text();
  });
  const ended = Promise.allSettled(waits);
  await until(async () => {
    const response = await fetch(`http://127.0.0.1:${stopping.port}/v2/stats/store`);
    return ((await response.json()) as { watchers: number }).watchers === 3;
  }, "three waits");
  const stopped = stopping.remove().then(() => "stopped");
  // Long before the time that other calls are given to end.
  assert.notEqual(await Promise.race([ended.then(() => "ended"), stopped]), "stopped");
  assert.ok((await ended).every(({ status }) => status === "rejected"));
  await stopped;
});

test("without the setting the paths of the v2 API are not there", async () => {
  const plain = await TestMember.start();
  try {
    const response = await fetch(`http://127.0.0.1:${plain.port}/v2/keys/a`);
    assert.equal(response.status, 404);
  } finally {
    await plain.remove();
  }
});
