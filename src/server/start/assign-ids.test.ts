import assert from "node:assert/strict";
import { test } from "node:test";
import { FixedHostNames, MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { type Member, urlComparison } from "../../membership/index.ts";
import { assignMemberIDs } from "./assign-ids.ts";

function member(id: bigint, ...peerURLs: string[]): Member {
  return { id, name: "", peerURLs, isLearner: false, clientURLs: [] };
}

const hostNames = new FixedHostNames({ a: "10.0.0.1", b: "10.0.0.2" });

function assign(configured: readonly Member[], running: readonly Member[]) {
  const deps = { hostNames, clock: new VirtualClock(), logger: new MemoryLogger() };
  return assignMemberIDs(configured, running, urlComparison(deps));
}

test("members have the ids of those with the same URLs, in any order", async () => {
  const running = [member(7n, "http://a:1", "http://a:2"), member(8n, "http://b:1")];
  const configured = [member(1n, "http://b:1"), member(2n, "http://a:2", "http://a:1")];
  const { members } = await assign(configured, running);
  assert.deepEqual(
    members?.map(({ id }) => id),
    [8n, 7n],
  );
  assert.deepEqual(hostNames.asked, [], "equal texts need no lookups");
});

test("a member is found by the address that its host name has", async () => {
  const running = [member(7n, "http://10.0.0.1:1"), member(8n, "http://gone:1")];
  const configured = [member(1n, "http://gone:1"), member(2n, "http://a:1")];
  const { members } = await assign(configured, [...running].reverse());
  assert.deepEqual(
    members?.map(({ id, peerURLs }) => [id, peerURLs[0]]),
    [
      [8n, "http://gone:1"],
      [7n, "http://a:1"],
    ],
    "the URLs stay as configured, and a name that does not resolve is in nobody's way",
  );
});

test("a member that runs and is not configured is told with what it was compared last", async () => {
  const refuse = async (configured: Member[]): Promise<string | undefined> =>
    (await assign(configured, [member(7n, "http://a:1")])).problem;
  assert.equal(
    await refuse([member(1n, "http://b:1")]),
    "PeerURLs: no match found for existing member (7, [http://a:1]), " +
      'last resolver error (resolved urls: "http://10.0.0.1:1" != "http://10.0.0.2:1")',
  );
  assert.match(
    (await refuse([member(1n, "http://b:1", "http://b:2")])) ?? "",
    /last resolver error \(len\(\["http:\/\/a:1"\]\) != len\(\["http:\/\/b:1" "http:\/\/b:2"\]\)\)$/,
  );
  assert.equal(await refuse([]), "member count is unequal");
});
