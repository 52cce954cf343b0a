/**
 * At SIGTERM the member ended its watches first, then applied and acknowledged what was under way:
 * watchers missed the last 14 to 16 writes that others had been told of. They get them all now,
 * and those that still read history get that, too.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  PutRequest,
  PutResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "../api/gen/rpc.ts";
import { type ClientConnection, connect } from "../transport/client/connection.ts";
import { EtcdProcess } from "./testing/etcd-process.ts";
import { freePorts } from "../base/testing/free-ports.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-stop-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const WRITERS = 64;
const WRITES_BEFORE_STOP = 1500;

/** Revisions that a watch over all keys from the first one saw until its stream ended. */
class Watch {
  lastSeen = 1;
  readonly created: Promise<void>;
  readonly ended: Promise<void>;

  constructor(client: ClientConnection) {
    let onCreated: () => void = () => undefined;
    let onEnd: () => void = () => undefined;
    this.created = new Promise((resolve) => {
      onCreated = resolve;
    });
    this.ended = new Promise((resolve) => {
      onEnd = resolve;
    });
    const stream = client.stream("/etcdserverpb.Watch/Watch", {
      onMessage: (body) => {
        const response = WatchResponse.decode(Uint8Array.from(body));
        if (response.created) onCreated();
        for (const { kv } of response.events) {
          assert.equal(kv?.modRevision, this.lastSeen + 1);
          this.lastSeen += 1;
        }
      },
      onEnd: () => onEnd(),
    });
    const key = Buffer.from([0]);
    const value = WatchCreateRequest.create({ key, rangeEnd: key, startRevision: 2 });
    const requestUnion = { case: "createRequest", value } as const;
    stream.send(WatchRequest.encode(WatchRequest.create({ requestUnion })));
  }
}

test("watches see every acknowledged write before SIGTERM ends them", async () => {
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const dataDirectory = join(scratch, "data");
  const etcd = new EtcdProcess({ dataDirectory, clientPort, peerPort });
  await etcd.serving();
  const watching = await connect("127.0.0.1", clientPort);
  const early = new Watch(watching);
  await early.created;

  const writing = await connect("127.0.0.1", clientPort);
  let acknowledged = 1;
  let onEnough: () => void = () => undefined;
  const enough = new Promise<void>((resolve) => {
    onEnough = resolve;
  });
  const write = async (key: string): Promise<void> => {
    const request = PutRequest.encode(PutRequest.create({ key: Buffer.from(key) }));
    for (;;) {
      let body: Uint8Array;
      try {
        body = await writing.unary("/etcdserverpb.KV/Put", request);
      } catch {
        // Refused by the GOAWAY.
        return;
      }
      acknowledged = Math.max(acknowledged, PutResponse.decode(body).header?.revision ?? 0);
      if (acknowledged > WRITES_BEFORE_STOP) onEnough();
    }
  };
  const writers = Array.from({ length: WRITERS }, (_, i) => write(`key-${i}`));
  await enough;
  const late = new Watch(await connect("127.0.0.1", clientPort));
  await late.created;
  await etcd.end("SIGTERM");
  await Promise.all([early.ended, late.ended, ...writers]);
  assert.equal(await etcd.exit(), "SIGTERM");
  assert.deepEqual([early.lastSeen, late.lastSeen], [acknowledged, acknowledged]);
  assert.ok(acknowledged > WRITES_BEFORE_STOP);
});
