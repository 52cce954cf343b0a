import assert from "node:assert/strict";
import { test } from "node:test";
import { Message, MessageType } from "../../api/gen/raft.ts";
import { MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { HeartbeatMeter } from "./heartbeat-meter.ts";

test("heartbeats more than two intervals apart are counted and named, for each member", () => {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  let count = 0;
  const late = {
    add: () => {
      count++;
    },
  };
  const meter = new HeartbeatMeter({ clock, logger, heartbeatIntervalMs: 100, late });
  const send = (...to: bigint[]) =>
    meter.observe(to.map((id) => Message.create({ type: MessageType.MsgHeartbeat, to: id })));
  send(1n, 2n);
  clock.advance(200);
  send(1n, 2n);
  clock.advance(150);
  send(1n);
  meter.observe([Message.create({ type: MessageType.MsgApp, to: 2n })]);
  clock.advance(100);
  assert.equal(count, 0);
  send(1n, 2n);
  assert.equal(count, 1);
  const [line] = logger.lines;
  assert.deepEqual([line?.fields["to"], line?.fields["exceeded-duration"]], ["2", "50ms"]);
  clock.advance(5000);
  meter.reset();
  send(1n, 2n);
  assert.equal(count, 1, "another leader sent them meanwhile");
});
