/** A member's network with faults: what arrives, what is lost, who is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, MessageType } from "../api/gen/raft.ts";
import type { PeerNode } from "../env/peers.ts";
import { PeerRequestError } from "../env/peers.ts";
import { NoPeers } from "../env/testing/no-peers.ts";
import { VirtualClock } from "../env/testing/virtual-clock.ts";
import { newMessage } from "../raft/index.ts";
import { FaultyNetwork } from "./faulty-network.ts";

const SELF = 1n;
const NEAR = 2n;
const FAR = 3n;

/** Keeps what reaches the wire. */
class Wire extends NoPeers {
  readonly sent: Message[] = [];
  node: PeerNode | undefined;

  override start(node: PeerNode): void {
    this.node = node;
  }

  override send(messages: readonly Message[]): void {
    this.sent.push(...messages);
  }
}

function makeWorld() {
  const clock = new VirtualClock();
  const wire = new Wire();
  const seen: string[] = [];
  const network = new FaultyNetwork(wire, clock, (passing, { from, to }) =>
    seen.push(`${passing} ${from}>${to}`),
  );
  const received: Message[] = [];
  const unreachable: bigint[] = [];
  network.start({
    memberID: SELF,
    clusterID: 9n,
    peerURLs: () => [],
    isRemoved: () => false,
    clusterVersion: () => undefined,
    receive: (message) => void received.push(message),
    receiveSnapshot: () => Promise.resolve(),
    reportUnreachable: (id) => void unreachable.push(id),
    reportGone: () => undefined,
    reportSnapshot: () => undefined,
    reportRemovedSelf: () => undefined,
  });
  network.addPeer(NEAR, ["http://near"]);
  network.addPeer(FAR, ["http://far"]);
  return { clock, wire, network, seen, received, unreachable };
}

const beat = (to: bigint, from = SELF): Message => newMessage(MessageType.MsgHeartbeat, to, from);

test("who is cut off is neither reached nor heard, until the cut is mended", async () => {
  const { clock, wire, network, seen, received, unreachable } = makeWorld();
  network.setFaults({ cutOff: ["http://far"], delayMs: 0 });
  network.send([beat(NEAR), beat(FAR)]);
  assert.deepEqual(unreachable, []);
  clock.advance(1);
  assert.deepEqual(unreachable, [FAR]);
  wire.node?.receive(beat(SELF, FAR));
  wire.node?.receive(beat(SELF, NEAR));
  assert.deepEqual(
    wire.sent.map(({ to }) => to),
    [NEAR],
  );
  assert.deepEqual(
    received.map(({ from }) => from),
    [NEAR],
  );
  assert.deepEqual(seen, ["sent 1>2", "lost 1>3", "received 2>1"]);
  assert.equal(network.activeSinceMs(FAR), undefined);
  const question = { url: "http://far", method: "GET", path: "/", timeoutMs: 1, limitBytes: 1 };
  await assert.rejects(network.request(question as never), PeerRequestError);

  network.setFaults({ cutOff: [], delayMs: 0 });
  network.send([beat(FAR)]);
  wire.node?.receive(beat(SELF, FAR));
  assert.equal(wire.sent.at(-1)?.to, FAR);
  assert.equal(received.at(-1)?.from, FAR);
});

test("a slow member's messages arrive late in both directions, and in order", () => {
  const { clock, wire, network, received } = makeWorld();
  network.setFaults({ cutOff: [], delayMs: 100 });
  network.send([beat(NEAR)]);
  wire.node?.receive(beat(SELF, NEAR));
  clock.advance(99);
  assert.deepEqual([wire.sent.length, received.length], [0, 0]);
  network.setFaults({ cutOff: [], delayMs: 0 });
  // Does not overtake what waits.
  network.send([beat(FAR)]);
  assert.equal(wire.sent.length, 0);
  clock.advance(1);
  assert.deepEqual(
    wire.sent.map(({ to }) => to),
    [NEAR, FAR],
  );
  assert.equal(received.length, 1);
});
