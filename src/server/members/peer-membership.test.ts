/** `etcd_network_known_peers` follows the membership. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { formatID, type MemberID } from "../../base/ids.ts";
import { MetricsRegistry } from "../../platform/metrics.ts";
import type { Member } from "../../membership/index.ts";
import { MembersMetrics } from "./members-metrics.ts";
import { addPeers, peerEvents } from "./peer-membership.ts";

function memberOf(id: MemberID): Member {
  return { id, peerURLs: [], isLearner: false, name: "", clientURLs: [] };
}

test("members are known, this one too, and removed ones are told apart", () => {
  const registry = new MetricsRegistry();
  const { knownPeers } = MembersMetrics;
  const calls: string[] = [];
  const network = {
    addPeer: (id: MemberID) => calls.push(`add ${formatID(id)}`),
    updatePeer: (id: MemberID) => calls.push(`update ${formatID(id)}`),
    removePeer: (id: MemberID) => calls.push(`remove ${formatID(id)}`),
  };
  const membership = { members: [memberOf(0xan)], removedIDs: [0x9n] };
  const addMember = (id: MemberID): void => {
    membership.members.push(memberOf(id));
  };
  const server = {
    memberID: 0xan,
    network,
    cluster: membership,
    counters: { knownPeers: registry.gauges(knownPeers, knownPeers.labels) },
  };
  const known = () =>
    registry
      .render()
      .split("\n")
      .filter((line) => line.startsWith("etcd_network_known_peers{"))
      .map((line) => line.replace(/^.*Local="a",Remote="(.*)"} (.)$/, "$1 $2"))
      .sort();

  addMember(0xbn);
  addPeers(server);
  assert.deepEqual(known(), ["9 0", "a 1", "b 1"]);
  const events = peerEvents(server);
  addMember(0xcn);
  events.added(0xcn, []);
  assert.deepEqual(known(), ["9 0", "a 1", "b 1", "c 1"]);
  events.updated(0xcn, []);
  membership.members.splice(1, 1);
  membership.removedIDs.push(0xbn);
  events.removed(0xbn);
  assert.deepEqual(known(), ["9 0", "a 1", "b 0", "c 1"]);
  events.added(0xan, []);
  events.updated(0xan, []);
  events.removed(0xan);
  assert.deepEqual(calls, ["add b", "add c", "update c", "remove b"]);
});
