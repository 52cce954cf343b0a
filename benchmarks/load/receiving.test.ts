/** How the load generator finds frames, messages and what it counts in what arrives. */
import assert from "node:assert/strict";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { Event } from "../../src/api/gen/kv.ts";
import { ResponseHeader, WatchResponse } from "../../src/api/gen/rpc.ts";
import { DecodeError } from "../../src/base/wire.ts";
import { LoadConnection } from "./load-connection.ts";
import { MessageCutter } from "./message-cutter.ts";
import { dataFrame } from "./requests.ts";
import { scanWatchResponse } from "./watch-scan.ts";

test("messages are cut out of a call's bytes wherever these are divided", () => {
  const wanted = ["", "a", "bc".repeat(300), "", "d"];
  const bytes = Buffer.concat(
    wanted.flatMap((text) => {
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(text.length, 1);
      return [prefix, Buffer.from(text)];
    }),
  );
  for (const size of [1, 2, 5, 6, 7, 100, bytes.length]) {
    const seen: string[] = [];
    const cutter = new MessageCutter((chunk, start, end, nowMs) => {
      assert.equal(nowMs, 7);
      seen.push(chunk.toString("latin1", start, end));
    });
    for (let at = 0; at < bytes.length; at += size) {
      // Where the chunk lies is used again for the next one.
      const chunk = Buffer.from(bytes.subarray(at, at + size));
      cutter.push(chunk, 0, chunk.length, 7);
      chunk.fill(0xff);
    }
    assert.deepEqual(seen, wanted, `chunks of ${size}`);
  }
});

test("frames are found wherever a read ends", async () => {
  const data = (text: string): Buffer => {
    const frame = dataFrame(Buffer.from(text), false);
    frame.writeUInt32BE(1, 5);
    return frame;
  };
  const frames = Buffer.concat([data("one"), data(""), data("x".repeat(300)), data("last")]);
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    // One byte after the other, a pair, and the rest together.
    for (let at = 0; at < 60; at++) socket.write(frames.subarray(at, at + 1));
    socket.write(frames.subarray(60, 62));
    socket.write(frames.subarray(62));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const seen: string[] = [];
  const cutter = new MessageCutter((chunk, start, end) => {
    seen.push(chunk.toString("latin1", start, end));
  });
  await new Promise<void>((done, fail) => {
    const connection: LoadConnection = new LoadConnection(port, {
      onData: (_, chunk, start, end) => {
        cutter.push(chunk, start, end, 0);
        if (seen.at(-1) !== "last") return;
        connection.close();
        done();
      },
      onEnd: () => fail(new Error("ended")),
      onClose: fail,
    });
  });
  assert.deepEqual(seen, ["one", "", "x".repeat(300), "last"]);
  server.close();
});

test("what a watch load needs is read from a response's outermost fields", () => {
  const header = ResponseHeader.create({ revision: 300 });
  const encode = (created: boolean, count: number): Buffer => {
    const events = Array.from({ length: count }, () => Event.create({ type: 1 }));
    const fields = { header, watchId: 7, cancelReason: "why", created, events };
    return Buffer.from(WatchResponse.encode(WatchResponse.create(fields)));
  };
  for (const [created, events] of [
    [true, 0],
    [false, 1],
    [false, 3],
  ] as const) {
    const bytes = encode(created, events);
    assert.deepEqual(scanWatchResponse(bytes, 0, bytes.length), { created, events });
  }
  const cut = encode(false, 2);
  assert.throws(() => scanWatchResponse(cut, 0, cut.length - 1), DecodeError);
});
