/**
 * Users or roles that change while a call is under way: the member refuses the call without having
 * carried it out. A client that is known by its certificate has no token to renew, and asks again
 * all the same.
 */
import assert from "node:assert/strict";
import type { ServerHttp2Stream } from "node:http2";
import { test } from "node:test";
import { ERRORS } from "../api/errors.ts";
import { Event, KeyValue } from "../api/gen/kv.ts";
import {
  LeaseKeepAliveResponse,
  PutResponse,
  ResponseHeader,
  WatchResponse,
} from "../api/gen/rpc.ts";
import { answer, GRPC, grpcMessage, withServer } from "./testing/canned-server.ts";
import { failure, take } from "./testing/check.ts";

const { code, message } = ERRORS.authOldRevision;

function refuse(stream: ServerHttp2Stream): void {
  answer(stream, [], code, message);
}

test("a write that was refused because users changed is sent again", async () => {
  let calls = 0;
  await withServer(
    (stream) => {
      calls++;
      if (calls < 4) refuse(stream);
      else answer(stream, [PutResponse.encode(PutResponse.create())]);
    },
    async (client) => {
      await client.kv.put("k", "v");
      assert.equal(calls, 4);
    },
  );
});

test("a write that is refused so again and again fails", async () => {
  let calls = 0;
  await withServer(
    (stream) => {
      calls++;
      refuse(stream);
    },
    async (client) => {
      const error = await failure(client.kv.put("k", "v"), "authOldRevision");
      assert.equal(error.outcomeUnknown, false);
      assert.equal(error.attempts, calls);
    },
  );
});

test("a watch that was refused because users changed is created again", async () => {
  let streams = 0;
  await withServer(
    (stream) => {
      streams++;
      stream.respond(GRPC, { waitForTrailers: true });
      const send = (response: Partial<WatchResponse>): boolean =>
        stream.write(grpcMessage(WatchResponse.encode(WatchResponse.create(response))));
      const header = ResponseHeader.create({ revision: 5 });
      if (streams < 4) {
        const cancelReason = `rpc error: code = InvalidArgument desc = ${message}`;
        send({ header, created: true, canceled: true, cancelReason });
        return;
      }
      send({ header, created: true });
      const kv = KeyValue.create({ key: Buffer.from("k"), modRevision: 6 });
      send({ header, events: [Event.create({ kv })] });
    },
    async (client) => {
      const [response] = await take(client.watch("k"), 1);
      assert.equal(response?.events[0]?.kv.modRevision, 6);
      assert.equal(streams, 4);
    },
  );
});

test("a lease whose renewal was refused because users changed is kept", async () => {
  let streams = 0;
  await withServer(
    (stream) => {
      streams++;
      if (streams < 4) {
        refuse(stream);
        return;
      }
      stream.respond(GRPC, { waitForTrailers: true });
      const renewed = LeaseKeepAliveResponse.create({ ID: 7n, TTL: 60 });
      stream.write(grpcMessage(LeaseKeepAliveResponse.encode(renewed)));
    },
    async (client) => {
      const [response] = await take(client.lease.keepAlive(7n)[Symbol.asyncIterator](), 1);
      assert.equal(response?.TTL, 60);
    },
  );
});
