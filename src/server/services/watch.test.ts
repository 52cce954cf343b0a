/** What a client's stream of watches is sent, and when it is sent no more. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchRequest, WatchResponse } from "../../api/gen/rpc.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { FaultDisk } from "../../env/testing/index.ts";
import { FakeStreamCall } from "../testing/fake-call.ts";
import { TestMember } from "../testing/test-member.ts";

const WATCHES = 60;
const VALUE_BYTES = 300_000;
/** A stream takes nothing more behind so many bytes. */
const CONGESTED_BYTES = 4 * 1024 * 1024;

/** A client that reads when it is told to. */
class SlowCall extends FakeStreamCall {
  override get bufferedBytes(): number {
    return this.#bytes;
  }
  #bytes = 0;
  most = 0;
  #isReading = true;

  stall(): void {
    this.#isReading = false;
  }

  read(): void {
    this.#isReading = true;
    this.#bytes = 0;
    this.onDrain?.();
  }

  override send(...parts: readonly Uint8Array[]): void {
    super.send(...parts);
    if (this.#isReading) return;
    for (const part of parts) this.#bytes += part.length;
    this.most = Math.max(this.most, this.#bytes);
  }
}

/** Revisions of the events by watch. */
function eventsOf(call: FakeStreamCall): Map<number, number[]> {
  const seen = new Map<number, number[]>();
  for (const bytes of call.sent) {
    const { watchId, events } = WatchResponse.decode(bytes);
    const revisions = events.map(({ kv }) => kv?.modRevision ?? 0);
    if (events.length > 0) seen.set(watchId, [...(seen.get(watchId) ?? []), ...revisions]);
  }
  return seen;
}

test("a client that does not read one event of its many watches has no more than some queued", async () => {
  const disk = new FaultDisk();
  disk.makeDirectories("/", 0o700);
  const member = new TestMember(disk);
  await member.start();
  const call = new SlowCall(METHOD.Watch);
  member.server.rpc.stream(call);
  const watch = { key: Buffer.from("k"), rangeEnd: new Uint8Array(0), startRevision: 0 };
  const more = { progressNotify: false, filters: [], prevKv: false, watchId: 0, fragment: false };
  const requestUnion = { case: "createRequest", value: { ...watch, ...more } } as const;
  const create = WatchRequest.encode(WatchRequest.create({ requestUnion }));
  for (let i = 0; i < WATCHES; i++) call.onMessage?.(create);
  await member.until(() => call.sent.length === WATCHES);

  call.stall();
  for (const value of ["1", "2"]) {
    const put = member.put("k", value.repeat(VALUE_BYTES));
    await member.until(() => put.answered);
  }
  assert.ok(call.most > CONGESTED_BYTES && call.most < CONGESTED_BYTES + 2 * VALUE_BYTES);
  assert.ok(eventsOf(call).size < WATCHES);
  call.read();
  await member.until(() => eventsOf(call).size === WATCHES);
  await member.until(() => member.server.watchable.slowWatchers === 0);
  for (const revisions of eventsOf(call).values()) assert.deepEqual(revisions, [2, 3]);
  await member.stop();
});
