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
  const connection = new Connection({ probe: async () => undefined, after: () => undefined });
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
  const { api } = apiOf(() => new Response("<html>busy</html>", { status: 502 }));
  await assert.rejects(api.call("v3/kv/range"), { kind: "refused", message: "<html>busy</html>" });
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
    },
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
  assert.deepEqual(connection.state.value, { kind: "up", generation: 1 });
  assert.equal(due.length, 0);
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
