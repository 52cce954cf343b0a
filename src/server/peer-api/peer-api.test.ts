/** What members answer each other over HTTP: status, headers and bodies of etcd 3.6. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { LeaseInternalRequest, LeaseInternalResponse } from "../../api/gen/lease.ts";
import {
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseTimeToLiveRequest,
} from "../../api/gen/rpc.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { formatID } from "../../base/ids.ts";
import type { HttpRequest, HttpResponse, PeerRequest } from "../../env/index.ts";
import { TestCluster } from "../testing/test-cluster.ts";
import type { TestMember } from "../testing/test-member.ts";

const cluster = new TestCluster(["m1", "m2", "m3"]);
let leader: TestMember;
let follower: TestMember;
let clusterHeader: string;

before(async () => {
  await cluster.start();
  leader = cluster.leader();
  const other = cluster.members.find((member) => member !== leader);
  assert.ok(other);
  follower = other;
  clusterHeader = formatID(leader.server.clusterID);
  await cluster.put(leader, "k", "v");
});
after(() => cluster.stop());

const TEXT = "text/plain; charset=utf-8";

async function ask(
  member: TestMember,
  method: string,
  path: string,
  more: Partial<PeerRequest> = {},
) {
  const [url = ""] = member.server.options.peerURLs;
  const request = { url, method, path, timeoutMs: 1000, limitBytes: 1e6, ...more } as PeerRequest;
  const { status, headers, body } = await cluster.settled(member.network.request(request));
  const { "content-length": length, ...rest } = headers;
  if (method !== "HEAD") assert.equal(Number(length), body.length);
  return { status, headers: rest, text: Buffer.from(body).toString("utf8"), body };
}

function error(status: number, text: string, more: Readonly<Record<string, string>> = {}) {
  const headers = { "content-type": TEXT, "x-content-type-options": "nosniff", ...more };
  return { status, headers, text: `${text}\n` };
}

test("wrong methods and unknown paths are answered as Go's server does", async () => {
  const cases: readonly [string, string, number, string, Readonly<Record<string, string>>][] = [
    ["POST", "/members", 405, "Method Not Allowed", { allow: "GET" }],
    ["POST", "/version", 405, "Method Not Allowed", { allow: "GET" }],
    ["POST", "/members/hashkv", 405, "Method Not Allowed", { allow: "GET" }],
    ["POST", "/downgrade/enabled", 405, "Method Not Allowed", { allow: "GET" }],
    ["GET", "/members/promote/1", 405, "Method Not Allowed", { allow: "POST" }],
    ["GET", "/leases", 405, "Method Not Allowed", {}],
    ["GET", "/leases/internal", 405, "Method Not Allowed", {}],
    ["GET", "/nothing", 404, "404 page not found", {}],
    ["POST", "/leases/nothing", 404, "404 page not found", {}],
    ["GET", "/downgrade/enabled/x", 404, "404 page not found", {}],
  ];
  for (const [method, path, status, text, headers] of cases) {
    const { body: _, ...answer } = await ask(follower, method, path);
    assert.deepEqual(answer, error(status, text, headers), `${method} ${path}`);
  }
  assert.equal((await ask(follower, "HEAD", "/members")).status, 405);
  const { status, headers, text } = await ask(follower, "POST", "/members/promote");
  assert.deepEqual([status, headers, text], [307, { location: "/members/promote/" }, ""]);
});

test("versions, members and whether a downgrade runs", async () => {
  const version = await ask(follower, "GET", "/version");
  assert.deepEqual(version.headers, { "content-type": "application/json" });
  assert.match(version.text, /^\{"etcdserver":"3\.\d+\.\d+","etcdcluster":"3\.\d+\.0","storage":"/);
  const members = await ask(follower, "GET", "/members");
  assert.deepEqual(members.headers, {
    "content-type": "application/json",
    "x-etcd-cluster-id": clusterHeader,
  });
  const [first] = leader.server.cluster.members;
  assert.ok(members.text.startsWith(`[{"id":${first?.id},"peerURLs":["http://`), members.text);
  assert.ok(members.text.endsWith("]\n"));
  const downgrade = await ask(follower, "GET", "/downgrade/enabled");
  assert.deepEqual([downgrade.status, downgrade.text], [200, "false"]);
  assert.deepEqual(downgrade.headers, {
    "content-type": "text/plain",
    "x-etcd-cluster-id": clusterHeader,
  });
});

test("the hash at a revision, and why there is none", async () => {
  const hash = (revision: unknown, headers = {}) => {
    const body = Buffer.from(JSON.stringify({ revision }));
    return ask(leader, "GET", "/members/hashkv", { body, headers });
  };
  const { status, headers, text } = await hash(0);
  assert.deepEqual(headers, {
    "content-type": "application/json",
    "x-etcd-cluster-id": clusterHeader,
  });
  const expected = await leader.server.hashByRevision(0);
  assert.equal(status, 200);
  assert.equal(
    text,
    `{"header":{"revision":2},"hash":${expected.hash},"compact_revision":-1,"hash_revision":2}`,
  );
  assert.equal((await hash(2, { "x-etcd-cluster-id": clusterHeader })).text, text);
  const strip = ({ body: _, ...rest }: Awaited<ReturnType<typeof hash>>) => rest;
  assert.deepEqual(
    strip(await hash(99)),
    error(400, "mvcc: required revision is a future revision"),
  );
  assert.deepEqual(strip(await hash("x")), error(400, "error unmarshalling request"));
  assert.deepEqual(
    strip(await hash(0, { "x-etcd-cluster-id": "77" })),
    error(412, "cluster ID mismatch"),
  );
  const nothing = await ask(leader, "GET", "/members/hashkv");
  assert.deepEqual(strip(nothing), error(400, "error unmarshalling request"));
});

test("a promotion is refused alike by leader and follower", async () => {
  const more = { "x-etcd-cluster-id": clusterHeader };
  for (const member of [leader, follower]) {
    const promote = async (id: string) => {
      const { body: _, ...answer } = await ask(member, "POST", `/members/promote/${id}`);
      return answer;
    };
    assert.deepEqual(await promote("404"), error(404, "membership: ID not found", more));
    assert.deepEqual(await promote("x"), error(404, "member x not found in cluster", more));
    const tooLarge = "18446744073709551616";
    assert.deepEqual(
      await promote(tooLarge),
      error(404, `member ${tooLarge} not found in cluster`, more),
    );
    assert.deepEqual(
      await promote(String(leader.server.memberID)),
      error(412, "membership: can only promote a learner member", more),
    );
  }
});

test("leases are renewed and looked at on the leader only", async () => {
  const grant = LeaseGrantRequest.encode(LeaseGrantRequest.create({ ID: 7n, TTL: 60 }));
  const granted = leader.call(METHOD.LeaseGrant, grant);
  await cluster.until(() => granted.answered && follower.server.lessor.exists(7n));

  const keepAlive = (member: TestMember, ID: bigint) =>
    ask(member, "POST", "/leases", {
      body: LeaseKeepAliveRequest.encode(LeaseKeepAliveRequest.create({ ID })),
    });
  const timeToLive = (member: TestMember, ID: bigint) => {
    const question = LeaseTimeToLiveRequest.create({ ID, keys: true });
    const request = LeaseInternalRequest.create({ LeaseTimeToLiveRequest: question });
    const body = LeaseInternalRequest.encode(request);
    return ask(member, "POST", "/leases/internal", { body });
  };
  const renewed = await keepAlive(leader, 7n);
  assert.deepEqual(renewed.headers, { "content-type": "application/protobuf" });
  const { ID, TTL, header } = LeaseKeepAliveResponse.decode(renewed.body);
  assert.deepEqual([ID, TTL, header], [7n, 60, undefined]);
  const looked = LeaseInternalResponse.decode((await timeToLive(leader, 7n)).body);
  assert.equal(looked.LeaseTimeToLiveResponse?.grantedTTL, 60);
  assert.ok(looked.LeaseTimeToLiveResponse.header !== undefined);

  const strip = ({ body: _, ...rest }: Awaited<ReturnType<typeof keepAlive>>) => rest;
  assert.deepEqual(strip(await keepAlive(leader, 404n)), error(404, "lease not found"));
  assert.deepEqual(strip(await timeToLive(leader, 404n)), error(404, "lease not found"));
  assert.deepEqual(strip(await keepAlive(follower, 7n)), error(400, "not a primary lessor"));
  assert.deepEqual(strip(await timeToLive(follower, 7n)), error(500, "not a primary lessor"));
  const body = Buffer.from([8]);
  const malformed = error(400, "error unmarshalling request");
  assert.deepEqual(strip(await ask(leader, "POST", "/leases", { body })), malformed);
  assert.deepEqual(strip(await ask(leader, "POST", "/leases/internal", { body })), malformed);
  const tooMuch = { body: Buffer.alloc(64 * 1024 + 1) };
  assert.deepEqual(
    strip(await ask(leader, "POST", "/leases", tooMuch)),
    error(413, "request body too large"),
  );
});

test("a question whose body does not come in time loses its connection", async () => {
  for (const [method, path] of [
    ["POST", "/leases"],
    ["POST", "/leases/internal"],
    ["GET", "/members/hashkv"],
  ] as const) {
    let isCut = false;
    let endBody: (error: Error) => void = () => undefined;
    const request: HttpRequest = {
      method,
      path,
      query: "",
      headers: {},
      remote: "127.0.0.1:1",
      secure: false,
      certificateName: undefined,
      readBody: () => {
        return new Promise((_, reject) => {
          endBody = reject;
        });
      },
      bodyChunks: () => assert.fail("it is read as a whole"),
    };
    const response: HttpResponse = {
      head: () => assert.ok(isCut, "no answer before the end"),
      write: () => true,
      end: () => undefined,
      abort: () => {
        isCut = true;
        endBody(new Error("aborted"));
      },
      get closed() {
        return isCut;
      },
      onDrain: undefined,
      onClose: undefined,
    };
    leader.server.peerApi.handle(request, response);
    await cluster.until(() => isCut);
  }
});
