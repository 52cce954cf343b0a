import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "./api-error.ts";
import { Connection } from "./connection.ts";
import { EtcdApi } from "./etcd-api.ts";
import { Session } from "./session.ts";

interface Sent {
  readonly url: string;
  readonly init: RequestInit;
}

/** The API before a member that answers as `answer` says. */
function apiOf(answer: (sent: Sent) => Response | Error) {
  const kept = new Map<string, string>();
  const session = new Session({
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  });
  const connection = new Connection({
    ...{ probe: async () => ({ hasLeader: true }), after: () => undefined },
    isWatched: () => true,
  });
  const all: Sent[] = [];
  const fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const sent = { url, init };
    all.push(sent);
    const answered = answer(sent);
    if (answered instanceof Error) throw answered;
    return answered;
  };
  const api = new EtcdApi({ fetch, base: "http://member/", session, connection });
  return { api, session, connection, all, kept };
}

function refused(code: number, message: string): Response {
  return new Response(JSON.stringify({ code, message }), { status: 400 });
}

async function kindOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "answered";
  } catch (error) {
    return error instanceof ApiError ? error.kind : String(error);
  }
}

test("refusals have the kinds that pages treat differently", async () => {
  const kinds = async (code: number, message: string): Promise<string> => {
    const { api, session } = apiOf(() => refused(code, message));
    return `${await kindOf(api.call("v3/kv/range"))} ${session.state.value.kind}`;
  };
  assert.equal(await kinds(3, "etcdserver: user name is empty"), "login login");
  assert.equal(await kinds(16, "etcdserver: invalid auth token"), "login login");
  assert.equal(await kinds(7, "etcdserver: permission denied"), "denied anonymous");
  assert.equal(await kinds(11, "etcdserver: mvcc: required revision"), "refused anonymous");
  const { api } = apiOf(() => new Response("<html>busy</html>", { status: 418 }));
  await assert.rejects(api.call("v3/kv/range"), { kind: "refused", message: "<html>busy</html>" });
  // A member that cannot says so in JSON; a proxy before one that is away does not.
  const unavailable = new Response('{"code":14,"message":"no leader"}', { status: 503 });
  const member = apiOf(() => unavailable);
  assert.equal(await kindOf(member.api.call("v3/kv/range")), "refused");
  assert.equal(member.connection.state.value.kind, "up");
  const proxy = apiOf(() => new Response("<html>bad gateway</html>", { status: 502 }));
  assert.equal(await kindOf(proxy.api.call("v3/kv/range")), "unreachable");
  assert.equal(proxy.connection.state.value.kind, "down");
});

test("a login is kept in the tab, sent along, and ended by the first refusal of its token", async () => {
  let isValid = true;
  const { api, session, all, kept } = apiOf(({ url }) => {
    if (url.endsWith("authenticate")) return new Response('{"token":"abc.1"}');
    return isValid ? new Response("{}") : refused(16, "etcdserver: invalid auth token");
  });
  await api.logIn("alice", "secret");
  assert.equal(session.user, "alice");
  assert.ok(![...kept.values()].join().includes("secret"));
  await api.call("v3/kv/range");
  const { authorization } = all.at(-1)?.init.headers as { authorization?: string };
  assert.equal(authorization, "abc.1");
  isValid = false;
  assert.equal(await kindOf(api.call("v3/kv/range")), "login");
  const state = session.state.value;
  assert.deepEqual([state.kind, session.user, kept.size], ["login", "alice", 0]);
  // An answer to a token of before must not end the next login.
  session.loggedIn("alice", "abc.2");
  session.refused("abc.1");
  assert.equal(session.token, "abc.2");
});

test("a member that does not answer is told, unless the caller gave up", async () => {
  const { api, connection } = apiOf(() => new TypeError("Failed to fetch"));
  const signal = AbortSignal.abort();
  assert.notEqual(await kindOf(api.call("v3/kv/range", {}, { signal })), "unreachable");
  assert.equal(connection.state.value.kind, "up");
  assert.equal(await kindOf(api.call("v3/kv/range")), "unreachable");
  assert.equal(connection.state.value.kind, "down");
});

test("a member that is away is asked until it answers, and then pages load anew", async () => {
  const waits: number[] = [];
  const due: (() => void)[] = [];
  let isBack = false;
  const connection = new Connection({
    probe: async () => {
      if (!isBack) throw new TypeError("Failed to fetch");
      return { hasLeader: true };
    },
    isWatched: () => true,
    after: (ms, run) => {
      waits.push(ms);
      due.push(run);
    },
  });
  const tick = async (): Promise<void> => {
    due.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  connection.lost();
  connection.lost();
  for (let i = 0; i < 8; i++) await tick();
  assert.equal(waits[0], 500);
  assert.equal(waits.at(-1), 5000);
  assert.equal(connection.state.value.kind, "down");
  isBack = true;
  await tick();
  assert.deepEqual(connection.state.value, { kind: "up", generation: 1, hasLeader: true });
  assert.equal(due.length, 0);
});

test("a member that hangs or loses its leader is found out though no page asks it", async () => {
  const due: (() => void)[] = [];
  let answer: () => Promise<{ hasLeader: boolean }> = async () => ({ hasLeader: true });
  let isWatched = true;
  const connection = new Connection({
    probe: () => answer(),
    after: (_ms, run) => due.push(run),
    isWatched: () => isWatched,
  });
  const tick = async (): Promise<object> => {
    for (const run of due.splice(0)) run();
    await new Promise((resolve) => setImmediate(resolve));
    return connection.state.value;
  };
  connection.start();
  assert.deepEqual(await tick(), { kind: "up", generation: 0, hasLeader: true });
  answer = async () => ({ hasLeader: false });
  assert.deepEqual(await tick(), { kind: "up", generation: 0, hasLeader: false });
  answer = async () => ({ hasLeader: true });
  assert.deepEqual(await tick(), { kind: "up", generation: 1, hasLeader: true });
  answer = async () => {
    throw new DOMException("no answer in time", "TimeoutError");
  };
  isWatched = false;
  assert.deepEqual(await tick(), { kind: "up", generation: 1, hasLeader: true });
  isWatched = true;
  assert.deepEqual(await tick(), { kind: "down", generation: 1 });
  answer = async () => ({ hasLeader: true });
  assert.deepEqual(await tick(), { kind: "up", generation: 2, hasLeader: true });
  // One question at a time goes on.
  assert.equal(due.length, 1);
});

test("a stream gives its messages however the network cuts them, and its error", async () => {
  const text = '{"result":{"n":1}}\n{"result":{"n":"ü"}}\n{"error":{"code":7,"message":"no"}}\n';
  const bytes = new TextEncoder().encode(text);
  const { api } = apiOf(() => {
    const body = new ReadableStream({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    return new Response(body);
  });
  const seen: unknown[] = [];
  const read = async (): Promise<void> => {
    for await (const { n } of api.stream<{ n: unknown }>("v3/watch", {}, {})) seen.push(n);
  };
  assert.equal(await kindOf(read()), "denied");
  assert.deepEqual(seen, [1, "ü"]);
});

test("a login to a cluster that no longer asks for one ends the question", async () => {
  const { api, session } = apiOf(() => refused(9, "etcdserver: authentication is not enabled"));
  session.refused(undefined);
  assert.equal(session.state.value.kind, "login");
  await api.logIn("alice", "secret");
  assert.equal(session.state.value.kind, "anonymous");
});
