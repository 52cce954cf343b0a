/** What a follower need not say twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageType } from "../../api/gen/raft.ts";
import { newMessage } from "../../raft/index.ts";
import { AcknowledgementFilter } from "./acknowledgement-filter.ts";

function acknowledgement(
  index: number,
  more: { term?: number; to?: bigint; reject?: boolean } = {},
) {
  return { ...newMessage(MessageType.MsgAppResp, 2n, 1n), term: 5, index, ...more };
}

test("only a quick repetition of the last acknowledgement is left out", () => {
  let nowMs = 0;
  const filter = new AcknowledgementFilter(() => nowMs, 20);
  assert.equal(filter.passes(acknowledgement(7)), true);
  assert.equal(filter.passes(acknowledgement(7)), false);
  assert.equal(filter.passes(acknowledgement(8)), true);
  assert.equal(filter.passes(acknowledgement(8, { to: 3n })), true, "to another leader");
  assert.equal(filter.passes(acknowledgement(8, { to: 3n, term: 6 })), true, "in another term");
  nowMs = 20;
  assert.equal(filter.passes(acknowledgement(8, { to: 3n, term: 6 })), true, "it may be lost");
});

test("a rejection is always sent, and so is what follows it", () => {
  const filter = new AcknowledgementFilter(() => 0, 20);
  assert.equal(filter.passes(acknowledgement(7)), true);
  assert.equal(filter.passes(acknowledgement(7, { reject: true })), true);
  assert.equal(filter.passes(acknowledgement(7, { reject: true })), true);
  assert.equal(filter.passes(acknowledgement(7)), true);
  const heartbeat = newMessage(MessageType.MsgHeartbeatResp, 2n, 1n);
  assert.equal(filter.passes(heartbeat), true);
  assert.equal(filter.passes(heartbeat), true);
});
