/** What the dashboard asks besides etcd's API: who watches, and questions to other members. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EtcdClient } from "../../client/index.ts";
import { startMember } from "./dashboard-world.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

interface WatcherStream {
  readonly user?: string;
  readonly watches: number;
  readonly eventsSent: number;
  readonly lagging: number;
  readonly behind: number;
  readonly first: readonly {
    readonly begin: string;
    readonly end: string;
    readonly state: string;
  }[];
}

test("each stream of watches is told with its ranges and the events it was sent", async (t) => {
  const { url, get } = await startMember(t);
  const client = new EtcdClient({ endpoints: [url] });
  t.after(() => client.close());
  const watcher = client.watch("a/", { prefix: true });
  const events = watcher[Symbol.asyncIterator]();
  await client.kv.put("a/1", "x");
  await events.next();
  const { body } = await get("watchers");
  const report = JSON.parse(body) as { watches: number; shown: WatcherStream[] };
  assert.equal(report.watches, 1);
  const [stream] = report.shown;
  assert.deepEqual(
    { ...stream, id: 0, client: "", openedMs: 0, first: [] },
    {
      ...{ id: 0, client: "", openedMs: 0, viaGateway: false, watches: 1, eventsSent: 1 },
      ...{ queuedBytes: 0, congested: false, looked: 1, lagging: 0, behind: 0, first: [] },
    },
  );
  const [first] = stream?.first ?? [];
  assert.deepEqual(
    { begin: first?.begin, end: first?.end, state: first?.state },
    { begin: base64("a/"), end: base64("a0"), state: "synced" },
  );
});

test("only root is told who watches, and other users may ask what etcd tells them", async (t) => {
  const { url, get, post, id } = await startMember(t);
  const admin = new EtcdClient({ endpoints: [url] });
  await admin.auth.userAdd("root", "r");
  await admin.auth.userGrantRole("root", "root");
  await admin.auth.userAdd("eve", "e");
  await admin.auth.enable();
  admin.close();
  const tokenOf = async (name: string, password: string): Promise<string> =>
    JSON.parse((await post("/v3/auth/authenticate", { name, password })).body).token;
  const status = `members/${id}/v3/maintenance/status`;
  const refusal = async (path: string, token?: string): Promise<number> =>
    (await get(path, token)).status;
  assert.equal(await refusal("watchers"), 400);
  assert.equal(await refusal("watchers", "nonsense"), 401);
  assert.equal((await post(`/dashboard/api/${status}`, {})).status, 400);
  const eve = await tokenOf("eve", "e");
  assert.equal(await refusal("watchers", eve), 403);
  assert.equal(await refusal("progress", eve), 403);
  assert.equal(await refusal("upkeep", eve), 403);
  assert.equal((await post(`/dashboard/api/${status}`, {}, eve)).status, 200);
  const defragment = `/dashboard/api/members/${id}/v3/maintenance/defragment`;
  assert.equal((await post(defragment, {}, eve)).status, 403);
  const root = await tokenOf("root", "r");
  assert.equal((await get("watchers", root)).status, 200);
  assert.equal((await post(defragment, {}, root)).status, 200);
  const watch = new EtcdClient({
    endpoints: [url],
    credentials: { username: "root", password: "r" },
  });
  t.after(() => watch.close());
  const events = watch.watch("k")[Symbol.asyncIterator]();
  await watch.kv.put("k", "v");
  await events.next();
  const report = JSON.parse((await get("watchers", root)).body) as { shown: WatcherStream[] };
  assert.equal(report.shown[0]?.user, "root");
});

test("a member passes on what it knows, to members alone", async (t) => {
  const { get, post, id } = await startMember(t);
  assert.match((await get(`members/${id}/metrics`)).body, /^etcd_server_has_leader 1$/m);
  const progress = JSON.parse((await get(`members/${id}/dashboard/api/progress`)).body);
  assert.equal(progress.leader, id);
  assert.equal(progress.progress[0].member, id);
  assert.equal((await get(`members/${id}/dashboard/api/upkeep`)).body, "{}");
  const refused: readonly string[] = [
    `members/${id}/v3/kv/range`,
    `members/${id}/../../v3/kv/range`,
    `members/${id}/metrics/`,
    `members/${id}/__proto__`,
    `members/${id}`,
    "members/",
  ];
  for (const path of refused) assert.notEqual((await get(path)).status, 200, path);
  assert.equal((await get("members/1234/metrics")).status, 404);
  assert.equal((await post(`/dashboard/api/members/${id}/metrics`, {})).status, 501);
});

test("pages of other sites get nothing", async (t) => {
  const { get } = await startMember(t);
  for (const site of ["cross-site", "same-site"]) {
    const { status } = await get("watchers", undefined, { "sec-fetch-site": site });
    assert.equal(status, 403);
  }
  const own = { "sec-fetch-site": "same-origin" };
  assert.equal((await get("watchers", undefined, own)).status, 200);
});

test("without --enable-dashboard there is none of it", async (t: TestContext) => {
  const { get, id } = await startMember(t, false);
  assert.equal((await get("watchers")).status, 404);
  assert.equal((await get(`members/${id}/metrics`)).status, 404);
});
