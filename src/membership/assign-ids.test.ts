import assert from "node:assert/strict";
import { test } from "node:test";
import { assignMemberIDs, type Member } from "./index.ts";

function member(id: bigint, ...peerURLs: string[]): Member {
  return { id, name: "", peerURLs, isLearner: false, clientURLs: [] };
}

test("members have the ids of those with the same URLs, in any order", () => {
  const running = [member(7n, "http://a:1", "http://a:2"), member(8n, "http://b:1")];
  const configured = [member(1n, "http://b:1"), member(2n, "http://a:2", "http://a:1")];
  assert.deepEqual(
    assignMemberIDs(configured, running).members?.map(({ id }) => id),
    [8n, 7n],
  );
});

test("a member that runs and is not configured is told with what it was compared last", () => {
  const refuse = (configured: Member[]): string | undefined =>
    assignMemberIDs(configured, [member(7n, "http://a:1")]).problem;
  assert.equal(
    refuse([member(1n, "http://b:1")]),
    "PeerURLs: no match found for existing member (7, [http://a:1]), " +
      'last resolver error (resolved urls: "http://a:1" != "http://b:1")',
  );
  assert.match(
    refuse([member(1n, "http://b:1", "http://b:2")]) ?? "",
    /last resolver error \(len\(\["http:\/\/a:1"\]\) != len\(\["http:\/\/b:1" "http:\/\/b:2"\]\)\)$/,
  );
  assert.equal(refuse([]), "member count is unequal");
});
