/** Servers that answer nonsense: the client says what is wrong, and does not hang or crash. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer } from "node:net";
import { test } from "node:test";
import { Event, KeyValue } from "../api/gen/kv.ts";
import { RangeResponse, ResponseHeader, SnapshotResponse, WatchResponse } from "../api/gen/rpc.ts";
import type { EtcdClient } from "./index.ts";
import { answer, GRPC, grpcMessage, withClient, withServer } from "./testing/canned-server.ts";
import { failure, take } from "./testing/check.ts";

async function readAll(client: EtcdClient): Promise<number> {
  let bytes = 0;
  for await (const blob of client.maintenance.snapshot()) bytes += blob.length;
  return bytes;
}

test("a snapshot whose data does not match its checksum is refused", async () => {
  const data = Buffer.alloc(1024, "d");
  const hash = createHash("sha256").update(data).digest();
  const blobs = (...parts: readonly Uint8Array[]): Uint8Array[] =>
    parts.map((blob) => SnapshotResponse.encode(SnapshotResponse.create({ blob })));
  const streams = [
    // The hash in pieces, after small blobs: right.
    blobs(data.subarray(0, 10), data.subarray(10), hash.subarray(0, 5), hash.subarray(5)),
    blobs(data, Buffer.alloc(32)),
    blobs(data),
    blobs(Buffer.concat([Buffer.alloc(1024, "e"), hash])),
    [],
  ];
  let turn = 0;
  await withServer(
    (stream) => answer(stream, streams[turn++] ?? []),
    async (client) => {
      assert.equal(await readAll(client), 1056);
      const wrong = await failure(readAll(client), "snapshotCorrupt");
      assert.match(wrong.message, /does not match its SHA-256/);
      const short = await failure(readAll(client), "snapshotCorrupt");
      assert.match(short.message, /ended after 1024 bytes/);
      await failure(readAll(client), "snapshotCorrupt");
      await failure(readAll(client), "snapshotCorrupt");
    },
  );
});

test("answers that are no messages, or none at all, are errors of the call", async () => {
  const answers: ((stream: ServerHttp2Stream) => void)[] = [
    (stream) => answer(stream, [Buffer.from("not protobuf at all")]),
    (stream) => answer(stream, []),
    (stream) => answer(stream, [RangeResponse.encode(RangeResponse.create())], 99),
    (stream) => stream.respond({ ":status": 404 }, { endStream: true }),
    (stream) => answer(stream, [RangeResponse.encode(RangeResponse.create({ count: 7 }))]),
  ];
  let turn = 0;
  await withServer(
    (stream) => answers[turn++]?.(stream),
    async (client) => {
      const malformed = await failure(client.kv.get("x"), "internal");
      assert.match(malformed.message, /answer is malformed/);
      await failure(client.kv.get("x"), "internal");
      await failure(client.kv.get("x"), "unknown");
      await failure(client.kv.get("x"), "unimplemented");
      assert.equal((await client.kv.get("x")).count, 7);
    },
  );
});

test("a server that speaks no HTTP/2 is named as unreachable", async () => {
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.resume();
    socket.end("SSH-2.0-OpenSSH_9.2\r\n");
  });
  await withClient(server, async (client) => {
    const error = await failure(client.kv.put("x", ""), "unavailable");
    assert.equal(error.outcomeUnknown, false);
  });
});

test("events that a watch has seen already are not yielded again", async () => {
  const header = (revision: number): ResponseHeader => ResponseHeader.create({ revision });
  const event = (revision: number): Event =>
    Event.create({ kv: KeyValue.create({ key: Buffer.from("k"), modRevision: revision }) });
  let turn = 0;
  await withServer(
    (stream) => {
      stream.respond(GRPC, { waitForTrailers: true });
      const send = (message: Partial<WatchResponse>): boolean =>
        stream.write(grpcMessage(WatchResponse.encode(WatchResponse.create(message))));
      turn++;
      send({ header: header(turn === 1 ? 4 : 7), created: true });
      send({ header: header(7), events: [5, 6, 7].map(event) });
      // Of a member that lags behind: below what was yielded.
      send({ header: header(3) });
      send({ header: header(8), events: [7, 8].map(event) });
      if (turn === 1) stream.close();
      else send({ header: header(9), events: [event(9)] });
    },
    async (client) => {
      const watcher = client.watch("k");
      assert.equal(await watcher.created, 5);
      const responses = await take(watcher, 3);
      assert.deepEqual(
        responses.flatMap(({ events }) => events.map(({ kv }) => kv.modRevision)),
        [5, 6, 7, 8, 9],
      );
      assert.equal(watcher.nextRevision, 10);
    },
  );
});
