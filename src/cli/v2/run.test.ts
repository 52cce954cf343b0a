/** Whole command lines against members that answer what each test says. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { FaultDisk } from "../../env/testing/fault-disk.ts";
import { depsOn } from "../etcdutl/testing/fixture.ts";
import { SystemClock } from "../../env/system-clock.ts";
import type { Io } from "../framework/io.ts";
import { textOfBytes } from "../../base/raw-text.ts";
import { runEtcdctlV2 } from "./run.ts";

type Answer = (request: IncomingMessage, body: string) => readonly [number, unknown, object?];

/** A member that answers by `answer`, and keeps what it was asked. */
class FakeMember implements AsyncDisposable {
  readonly asked: string[] = [];
  readonly #server: Server;

  constructor(answer: Answer) {
    this.#server = createServer((request, response) => void this.#reply(answer, request, response));
  }

  static async start(answer: Answer): Promise<FakeMember> {
    const member = new FakeMember(answer);
    await new Promise<void>((resolve) => member.#server.listen(0, "127.0.0.1", resolve));
    return member;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #reply(answer: Answer, request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const part of request) body += part;
    this.asked.push(`${request.method} ${request.url} ${body}`.trim());
    const [status, content, headers] = answer(request, body);
    if (status === 0) return;
    response.writeHead(status, { ...headers });
    response.end(typeof content === "string" ? content : JSON.stringify(content));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function run(
  argv: readonly string[],
  { env = {}, stdin = "" }: { env?: Record<string, string>; stdin?: string } = {},
): Promise<{ out: string; err: string; code: number }> {
  let out = "";
  let err = "";
  const text = (data: string | Uint8Array): string =>
    typeof data === "string" ? data : textOfBytes(data);
  const io: Io = {
    argv,
    env,
    out: (data) => {
      out += text(data);
    },
    err: (data) => {
      err += text(data);
    },
    status: () => undefined,
    clock: new SystemClock({ holdsProcess: true }),
    stdin: {
      isTerminal: false,
      readLine: async () => stdin,
      readAll: async () => Buffer.from(stdin),
    },
  };
  const code = await runEtcdctlV2(argv, io, async () => depsOn(new FaultDisk()).deps);
  return { out, err, code };
}

const NODE = { key: "/k", value: "v", createdIndex: 5, modifiedIndex: 6 };
const KEY: Answer = () => [200, { action: "get", node: NODE }, { "X-Etcd-Index": "9" }];
const NO_LEADER: Answer = () => [503, {}];

test("an extended answer shows the indexes", async () => {
  await using member = await FakeMember.start(KEY);
  const argv = ["--no-sync", "--endpoints", member.url, "-o", "extended", "get", "k"];
  const { out } = await run(argv);
  assert.equal(out, "Key: /k\nCreated-Index: 5\nModified-Index: 6\nTTL: 0\nIndex: 9\n\nv\n");
  assert.deepEqual(member.asked, ["GET /v2/keys/k?quorum=false&recursive=false&sorted=false"]);
});

test("a read goes on to the next member when one has no leader", async () => {
  await using bad = await FakeMember.start(NO_LEADER);
  await using good = await FakeMember.start(KEY);
  const argv = ["--no-sync", "--endpoints", `${bad.url},${good.url}`, "get", "k"];
  for (let times = 0; times < 20; times++) assert.equal((await run(argv)).out, "v\n");
  assert.equal(good.asked.length, 20);
});

test("a creation is never sent twice, since it may have happened", async () => {
  await using first = await FakeMember.start(NO_LEADER);
  await using second = await FakeMember.start(NO_LEADER);
  const endpoints = `${first.url},${second.url}`;
  const { err, code } = await run(["--no-sync", "--endpoints", endpoints, "mk", "k", "v"]);
  assert.equal(first.asked.length + second.asked.length, 1);
  assert.match(err, /^Error: {2}client: etcd member http:\/\/127.0.0.1:\d+ has no leader\n$/);
  assert.equal(code, 4);
});

test("when every member fails, each is told with its reason", async () => {
  await using member = await FakeMember.start(NO_LEADER);
  const { err, code } = await run(["--no-sync", "--endpoints", member.url, "get", "k"]);
  const reason = `error #0: client: etcd member ${member.url} has no leader\n`;
  assert.equal(
    err,
    `Error:  client: etcd cluster is unavailable or misconfigured; ${reason}\n${reason}\n`,
  );
  assert.equal(code, 4);
});

test("the members' own addresses replace the given ones", async () => {
  await using published = await FakeMember.start(KEY);
  const members = [{ id: "1", name: "a", peerURLs: [], clientURLs: [published.url] }];
  await using given = await FakeMember.start(() => [200, { members }]);
  const { out } = await run(["get", "k"], { env: { ETCDCTL_ENDPOINTS: given.url } });
  assert.equal(out, "v\n");
  assert.deepEqual(given.asked, ["GET /v2/members"]);
  assert.equal(published.asked.length, 1);
});

test("a cluster without published addresses is told apart", async () => {
  await using member = await FakeMember.start(() => [200, { members: [] }]);
  const { err, code } = await run(["--endpoints", member.url, "get", "k"]);
  assert.equal(
    err,
    "etcd cluster has no published client endpoints.\n" +
      "Try '--no-sync' if you want to access non-published client " +
      `endpoints(${member.url}).\nError:  client: no endpoints available\n`,
  );
  assert.equal(code, 4);
});

test("redirects are followed, but not for ever", async () => {
  await using target = await FakeMember.start(KEY);
  const location = (url: string) => ({ Location: `${url}/v2/keys/k` });
  await using first = await FakeMember.start(() => [307, "", location(target.url)]);
  const flags = ["--no-sync", "--endpoints"];
  assert.equal((await run([...flags, first.url, "get", "k"])).out, "v\n");
  await using loop: FakeMember = await FakeMember.start(() => [307, "", location(loop.url)]);
  assert.match((await run([...flags, loop.url, "get", "k"])).err, /client: too many redirects/);
});

// Node's timers fire at once above 2^31-1 ms, which is less than 25 days.
test("timeouts of 30 days do not end a request at once", async () => {
  await using member = await FakeMember.start(KEY);
  const argv = ["--no-sync", "--timeout", "720h", "--total-timeout", "720h"];
  const { out, code } = await run([...argv, "--endpoints", member.url, "get", "k"]);
  assert.deepEqual([out, code], ["v\n", 0]);
});

test("a member that does not answer is given up after the timeout of a request", async () => {
  await using silent = await FakeMember.start(() => [0, ""]);
  const argv = ["--no-sync", "--timeout", "50ms", "--endpoints", silent.url, "get", "k"];
  const { err, code } = await run(argv);
  assert.match(err, new RegExp(`client: endpoint ${silent.url} exceeded header timeout`));
  assert.equal(code, 4);
});

test("the whole time ends a command even between members", async () => {
  await using silent = await FakeMember.start(() => [0, ""]);
  const endpoints = `${silent.url},${silent.url}/x`;
  const argv = ["--no-sync", "--total-timeout", "50ms", "--endpoints", endpoints, "get", "k"];
  const { err, code } = await run(argv);
  assert.equal(err, "Error:  context deadline exceeded\n");
  assert.equal(code, 4);
});

for (const page of ["404 page not found\n", "<html>", "[]", '{"action":"get"}']) {
  test(`${JSON.stringify(page)} is no answer about keys`, async () => {
    await using member = await FakeMember.start(() => [200, page]);
    const { err, code } = await run(["--no-sync", "--endpoints", member.url, "get", "k"]);
    assert.match(err, /response is invalid json. The endpoint is probably not valid etcd/);
    assert.equal(code, 4);
  });
}

test("a user's name and password are sent with every request", async () => {
  const seen: (string | undefined)[] = [];
  await using member = await FakeMember.start((request) => {
    seen.push(request.headers.authorization);
    return [200, { action: "get", node: NODE }];
  });
  await run(["--no-sync", "-u", "a:b:c", "--endpoints", member.url, "get", "k"]);
  assert.deepEqual(seen, [`Basic ${Buffer.from("a:b:c").toString("base64")}`]);
});

test("a watch goes on behind the event that it has shown", async () => {
  let polls = 0;
  await using member = await FakeMember.start(() => {
    polls++;
    if (polls === 1) return [200, ""];
    const dir = polls === 2;
    const node = { key: "/k", value: "v", dir, createdIndex: 1, modifiedIndex: 20 + polls };
    return [200, { action: "set", node }];
  });
  const flags = ["--no-sync", "--endpoints", member.url];
  const { out } = await run([...flags, "watch", "-r", "--after-index", "7", "k"]);
  assert.equal(out, "[set] /k\nv\n");
  assert.deepEqual(
    member.asked,
    ["8", "8", "23"].map((index) => `GET /v2/keys/k?recursive=true&wait=true&waitIndex=${index}`),
  );
});

test("health is asked of every member, and one that is ill makes the cluster degraded", async () => {
  await using ill = await FakeMember.start(() => [503, { health: "false" }]);
  await using well: FakeMember = await FakeMember.start(({ url }) =>
    url === "/health"
      ? [200, { health: true }]
      : [
          200,
          {
            members: [
              { id: "1", name: "a", peerURLs: [], clientURLs: [well.url] },
              { id: "2", name: "b", peerURLs: [], clientURLs: [ill.url] },
              { id: "3", name: "", peerURLs: [], clientURLs: [] },
            ],
          },
        ],
  );
  const { out, code } = await run(["--endpoints", well.url, "cluster-health"]);
  assert.equal(
    out,
    `member 1 is healthy: got healthy result from ${well.url}\n` +
      `member 2 is unhealthy: got unhealthy result from ${ill.url}\n` +
      "member 3 is unreachable: no available published client urls\n" +
      "cluster is degraded\n",
  );
  assert.equal(code, 5);
});

test("a command line that is wrong shows how to use it", async () => {
  const { out, err, code } = await run(["rmdir", "--nosuch"]);
  assert.equal(err, "flag provided but not defined: -nosuch\n");
  assert.equal(
    out,
    "Incorrect Usage: flag provided but not defined: -nosuch\n\n" +
      "NAME:\n   etcdctl rmdir - removes the key if it is an empty directory or a key-value pair\n\n" +
      "USAGE:\n   etcdctl rmdir <key>\n",
  );
  assert.equal(code, 1);
});
