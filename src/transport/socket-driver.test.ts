import assert from "node:assert/strict";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { FlushQueue } from "./flush-queue.ts";
import { Http2Connection } from "./http2/connection.ts";
import { IGNORE_STREAM } from "./http2/stream.ts";
import { SocketDriver } from "./socket-driver.ts";
import { ManualClock } from "./testing/core-harness.ts";
import { HELLO, ping } from "./testing/raw-frames.ts";

test("what answers a read leaves at the end of the turn, other output as soon as the code has run", async () => {
  const written: Buffer[] = [];
  const socket = new Duplex({
    read() {},
    write(chunk: Buffer, _, done) {
      written.push(chunk);
      done();
    },
  });
  const host = {
    wantFlush: (): void => driver.wantFlush(),
    flushNow: (): void => driver.flush(),
    onRequest: () => IGNORE_STREAM,
    onStreamGone: () => {},
    onGoaway: () => {},
    onFinished: () => {},
    onSettings: () => {},
    onFinalGoaway: () => {},
  };
  const options = { isServer: true, nowMs: 0, maxConcurrentStreams: 1, keepaliveMinTimeMs: 0 };
  const keepalive = { keepaliveIntervalMs: 1_000, keepaliveTimeoutMs: 1_000 };
  const connection = new Http2Connection(host, { ...options, ...keepalive });
  const queue = new FlushQueue();
  const driver = new SocketDriver(socket, connection, new ManualClock(), queue, false, () => {});
  driver.start(HELLO);
  await new Promise((done) => setImmediate(done));
  assert.ok(written.splice(0).length > 0);

  const isHeld: boolean[] = [];
  socket.on("data", () => queueMicrotask(() => isHeld.push(written.length === 0)));
  socket.push(ping());
  await new Promise((done) => setImmediate(done));
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(isHeld, [true]);
  assert.equal(written.splice(0).length, 1);

  driver.tick(1_500);
  await Promise.resolve();
  assert.equal(written.length, 1, "a keepalive ping");
  driver.destroy();
});
