import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { VirtualClock } from "../../env/testing/index.ts";
import { HEALTHY_REPORT_MS, PROBE_INTERVAL_MS, UNHEALTHY_REPORT_MS } from "./limits.ts";
import { startMember, type TestMember } from "./testing/peer-world.ts";
import { PATIENCE_MS } from "../../base/testing/patience.ts";

const LIMIT = { timeout: PATIENCE_MS };
const UNHEALTHY = "prober detected unhealthy status";
const DRIFT = "prober found high clock drift";

function lines(member: TestMember, text: string) {
  return member.logger.lines.filter(({ message }) => message === text);
}

/** Answers probes with a time of its own choice. */
async function probedServer(now: () => string) {
  const asked: (() => void)[] = [];
  let count = 0;
  const server = createServer((request, response) => {
    if (request.url !== "/raft/probing") {
      response.writeHead(404).end();
      return;
    }
    response.on("finish", () => {
      count++;
      for (const wake of asked.splice(0)) wake();
    });
    response.end(`{"OK":true,"Now":"${now()}"}\n`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`,
    async probes(expected: number): Promise<void> {
      while (count < expected) await new Promise<void>((resolve) => asked.push(resolve));
      // The answer is on its way; give it some turns.
      for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("a healthy peer's round trips are measured, and its clock is compared", LIMIT, async () => {
  const clock = new VirtualClock();
  let aheadMs = 0;
  // Go's form: nanoseconds, and an offset instead of Z.
  await using peer = await probedServer(() =>
    new Date(clock.wallMs() + aheadMs).toISOString().replace("Z", "123456+00:00"),
  );
  await using a = await startMember(0xan, { clock });
  a.network.addPeer(0xbn, [peer.url]);
  clock.advance(PROBE_INTERVAL_MS);
  await peer.probes(1);
  clock.advance(UNHEALTHY_REPORT_MS - PROBE_INTERVAL_MS);
  assert.deepEqual(lines(a, UNHEALTHY), []);
  const observed = 'etcd_network_peer_round_trip_time_seconds_count{To="b"} 1';
  assert.ok(a.registry.render().includes(observed));
  assert.deepEqual(lines(a, DRIFT), []);
  aheadMs = 5_000;
  clock.advance(2 * PROBE_INTERVAL_MS - UNHEALTHY_REPORT_MS);
  await peer.probes(2);
  clock.advance(HEALTHY_REPORT_MS);
  assert.equal(lines(a, DRIFT)[0]?.fields["clock-drift"], "-5s");
});

test("a peer that does not answer probes is reported, again and again", LIMIT, async () => {
  const clock = new VirtualClock();
  await using a = await startMember(0xan, { clock });
  a.network.addPeer(0xbn, ["http://127.0.0.1:1"]);
  for (let reports = 1; reports <= 3; reports++) {
    await clock.advanceAsync(UNHEALTHY_REPORT_MS);
    assert.equal(lines(a, UNHEALTHY).length, reports);
  }
  const line = lines(a, UNHEALTHY)[0];
  assert.equal(line?.fields["remote-peer-id"], "b");
  assert.equal(line?.fields["round-tripper-name"], "ROUND_TRIPPER_RAFT_MESSAGE");
});
