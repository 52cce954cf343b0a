import assert from "node:assert/strict";
import { test } from "node:test";
import {
  AlarmResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  SnapshotResponse,
  WatchRequest,
  WatchResponse,
} from "../api/gen/rpc.ts";
import { METHODS } from "../api/rpc-table.ts";
import { KeyValue } from "../api/gen/kv.ts";
import { encodeJson } from "./json-encode.ts";
import { GatewayWorld } from "./testing/world.ts";

const JSON_TYPE = { "content-type": "application/json" };
const RESULT_TYPE = { ...JSON_TYPE, "grpc-metadata-content-type": "application/grpc" };

/** Everything but the CORS headers, which all answers carry. */
function ownHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith("access-control-")),
  );
}

test("a unary method: JSON in, the encoded request to the server, JSON out", async () => {
  const world = new GatewayWorld();
  world.service.onUnary = (call, name) => {
    assert.equal(name, "Put");
    assert.equal(call.viaGateway, true);
    assert.equal(call.certificateName, undefined);
    assert.equal(call.deadlineMs, Number.POSITIVE_INFINITY);
    assert.equal(call.remote, "10.0.0.1:5555");
    assert.deepEqual(
      PutRequest.decode(call.body),
      PutRequest.create({ key: Buffer.from("foo"), value: Buffer.from("bar") }),
    );
    const message = { clusterId: 1n, memberId: 2n, revision: 3, raftTerm: 4 };
    call.reply(PutResponse.encode(PutResponse.create({ header: message })));
  };
  const response = await world.fetch("/v3/kv/put", { body: '{"key":"Zm9v","value":"YmFy"}' });
  const body = '{"header":{"cluster_id":"1","member_id":"2","revision":"3","raft_term":"4"}}';
  assert.equal(response.status, 200);
  assert.equal(response.body, body);
  assert.deepEqual(ownHeaders(response.headers), {
    ...RESULT_TYPE,
    "content-length": String(body.length),
  });
});

test("a reply in parts is one message", async () => {
  const world = new GatewayWorld();
  world.service.onUnary = (call) => {
    const bytes = AlarmResponse.encode(
      AlarmResponse.create({ alarms: [{ memberID: 1n, alarm: 2 }] }),
    );
    call.replyParts([bytes.subarray(0, 1), bytes.subarray(1)]);
  };
  const response = await world.fetch("/v3/maintenance/alarm", { body: "" });
  assert.equal(response.body, '{"alarms":[{"memberID":"1","alarm":"CORRUPT"}]}');
});

test("every method with a JSON mapping is reachable at its paths, and under /v3beta", async () => {
  const world = new GatewayWorld();
  let reached = -1;
  world.service.onUnary = (call) => {
    reached = call.method;
    call.fail(12, "no");
  };
  world.service.onStream = (call) => {
    reached = call.method;
    call.finish(12, "no");
  };
  let paths = 0;
  for (const method of METHODS) {
    for (const path of method.gatewayPaths) {
      paths++;
      for (const url of [path, path.replace("/v3/", "/v3beta/")]) {
        reached = -1;
        const response = await world.fetch(url, { body: "{}" });
        assert.equal(response.status, 501, url);
        assert.equal(reached, method.index, url);
      }
    }
  }
  assert.equal(paths, 51);
});

test("statuses map to HTTP codes as in gateway v2, with code and message in the body", async () => {
  const table: [number, number][] = [
    [1, 499],
    [2, 500],
    [3, 400],
    [4, 504],
    [5, 404],
    [6, 409],
    [7, 403],
    [8, 429],
    [9, 400],
    [10, 409],
    [11, 400],
    [12, 501],
    [13, 500],
    [14, 503],
    [15, 500],
    [16, 401],
    [99, 500],
  ];
  for (const [code, status] of table) {
    const world = new GatewayWorld();
    world.service.onUnary = (call) => call.fail(code, 'etcdserver: a "<b>" é');
    const response = await world.fetch("/v3/kv/range", { body: "{}" });
    assert.equal(response.status, status, `code ${code}`);
    assert.equal(
      Buffer.from(response.body, "latin1").toString(),
      `{"code":${code},"message":"etcdserver: a \\"<b>\\" é"}`,
    );
    const length = String(response.body.length);
    const expected: Record<string, string> = { ...JSON_TYPE, "content-length": length };
    if (code === 16) expected["www-authenticate"] = 'etcdserver: a "<b>"  ';
    assert.deepEqual(ownHeaders(response.headers), expected);
  }
});

test("unknown paths and other methods get the gateway's JSON errors", async () => {
  const world = new GatewayWorld();
  const table: [string, { method?: string; body?: string }, number, string][] = [
    ["/v3/nope", { body: "{}" }, 404, '{"code":5,"message":"Not Found"}'],
    ["/v3/", { body: "{}" }, 404, '{"code":5,"message":"Not Found"}'],
    ["/v3/kv/range/", { body: "{}" }, 404, '{"code":5,"message":"Not Found"}'],
    ["/v3/nope", {}, 404, '{"code":5,"message":"Not Found"}'],
    ["/v3/kv/range", {}, 501, '{"code":12,"message":"Method Not Allowed"}'],
    ["/v3/kv/range", { method: "PUT" }, 501, '{"code":12,"message":"Method Not Allowed"}'],
    ["/v3/kv/range", { method: "HEAD" }, 501, ""],
  ];
  for (const [url, options, status, body] of table) {
    const response = await world.fetch(url, options);
    assert.equal(response.status, status, url);
    assert.equal(response.body, body, url);
  }
  const form = {
    "content-type": "application/x-www-form-urlencoded",
    "x-http-method-override": "get",
  };
  assert.equal((await world.fetch("/v3/kv/range", { body: "{}", headers: form })).status, 501);
  assert.equal(world.service.unaryCalls.length, 0);
});

test("paths are percent-decoded; unclean ones are redirected", async () => {
  const world = new GatewayWorld();
  world.service.onUnary = (call) => call.fail(3, "reached");
  assert.equal((await world.fetch("/v3/kv/%72ange", { body: "{}" })).status, 400);
  for (const [url, location] of [
    ["/v3", "/v3/"],
    ["/v3//kv/range", "/v3/kv/range"],
    ["/v3/kv/../kv/range?x=1", "/v3/kv/range?x=1"],
    ["/v3/./kv/range", "/v3/kv/range"],
  ]) {
    const response = await world.fetch(url as string, { body: "{}" });
    assert.equal(response.status, 307);
    assert.equal(response.headers.location, location);
    assert.equal(response.body, "");
  }
  const page = await world.fetch("/v3");
  assert.equal(page.body, '<a href="/v3/">Temporary Redirect</a>.\n\n');
  assert.equal((await world.fetch("/v3/%zz", { body: "{}" })).body, "400 Bad Request\n");
});

test("malformed JSON is refused before the server sees it", async () => {
  const world = new GatewayWorld();
  const response = await world.fetch("/v3/kv/range", { body: '{"key":12}' });
  assert.equal(response.status, 400);
  assert.equal(
    response.body,
    '{"code":3,"message":"proto: (line 1:8): invalid value for bytes field key: 12"}',
  );
  assert.equal(world.service.unaryCalls.length, 0);
});

test("requests beyond the limits are refused", async () => {
  const world = new GatewayWorld();
  const body = `{"key":"Zm9v","value":"${"A".repeat(3_000_000)}"}`;
  const large = await world.fetch("/v3/kv/put", { body });
  assert.equal(large.status, 429);
  assert.equal(
    large.body,
    '{"code":8,"message":"grpc: received message larger than max (2250010 vs. 2097152)"}',
  );
  const huge = await world.fetch("/v3/kv/put", { body: " ".repeat(5_000_000) });
  assert.equal(huge.status, 429);
  assert.match(huge.body, /http: request body too large \(limit \d+ bytes\)/);
  assert.equal(world.service.unaryCalls.length, 0);
});

test("Authorization and Grpc-Metadata headers become metadata, nothing else does", async () => {
  const world = new GatewayWorld();
  world.service.onUnary = (call) => call.fail(3, "seen");
  const headers = {
    authorization: "Bearer abc.1",
    "grpc-metadata-hasleader": "true",
    "grpc-metadata-token": "t0",
    "client-api-version": "9",
  };
  await world.fetch("/v3/kv/range", { body: "{}", headers });
  const [call] = world.service.unaryCalls;
  assert.equal(call?.metadata("authorization"), "Bearer abc.1");
  assert.equal(call?.metadata("token"), "t0");
  assert.equal(call?.metadata("hasleader"), "true");
  assert.equal(call?.metadata("client-api-version"), undefined);
});

test("Grpc-Timeout sets the deadline; past it the client hears and the call is cancelled", async () => {
  const world = new GatewayWorld();
  let cancelled = 0;
  world.service.onUnary = (call) => {
    call.onCancel = () => cancelled++;
  };
  const headers = { "grpc-timeout": "1500m" };
  const response = world.start("/v3/kv/range", { body: "{}", headers });
  await new Promise(setImmediate);
  const [call] = world.service.unaryCalls;
  assert.equal(call?.deadlineMs, 2500);
  world.clock.advance(1499);
  assert.equal(response.status, 0);
  world.clock.advance(1);
  assert.equal(response.status, 504);
  assert.equal(response.body, '{"code":4,"message":"context deadline exceeded"}');
  assert.equal(cancelled, 1);
  assert.equal(call?.cancelled, true);
  call?.reply(PutResponse.encode(PutResponse.create()));
  call?.fail(3, "late");

  for (const bad of ["bad", "1", "S", "-1S", "1.5S", "999999999S"]) {
    const refused = await world.fetch("/v3/kv/range", {
      body: "{}",
      headers: { "grpc-timeout": bad },
    });
    assert.equal(refused.body, `{"code":3,"message":"invalid grpc-timeout: ${bad}"}`);
  }
});

test("a client that goes away cancels its call, once", async () => {
  const world = new GatewayWorld();
  let cancelled = 0;
  world.service.onUnary = (call) => {
    call.onCancel = () => cancelled++;
  };
  const response = world.start("/v3/kv/range", { body: "{}" });
  await new Promise(setImmediate);
  response.drop();
  response.onClose?.();
  assert.equal(cancelled, 1);
  world.service.unaryCalls[0]?.reply(PutResponse.encode(PutResponse.create()));
  assert.equal(response.status, 0);

  const answered = world.start("/v3/kv/range", { body: "{}", headers: { "grpc-timeout": "9S" } });
  await new Promise(setImmediate);
  world.service.unaryCalls[1]?.reply(PutResponse.encode(PutResponse.create()));
  assert.equal(world.clock.pendingTimers, 0);
  answered.onClose?.();
  assert.equal(cancelled, 1);
});

function jsonChunks(...chunks: (string | Promise<unknown>)[]): AsyncIterable<Uint8Array> {
  return (async function* () {
    for (const chunk of chunks) {
      if (typeof chunk === "string") yield Buffer.from(chunk);
      else await chunk;
    }
  })();
}

test("a watch stream takes requests as they come and answers line by line", async () => {
  const world = new GatewayWorld();
  const seen: (string | undefined)[] = [];
  world.service.onStream = (call, name) => {
    assert.equal(name, "Watch");
    call.onMessage = (message) => {
      const request = WatchRequest.decode(message).requestUnion;
      seen.push(request?.case);
      const response = WatchResponse.create({ watchId: seen.length, cancelReason: "<x>" });
      call.send(WatchResponse.encode(response));
    };
    call.onHalfClose = () => call.finish(0, "");
  };
  const response = await world.fetch("/v3/watch", {
    method: "POST",
    chunks: jsonChunks('{"create_requ', 'est":{"key":"Zm9v"}}\n{"cancel_request"', ":{}}", "\n"),
  });
  assert.deepEqual(seen, ["createRequest", "cancelRequest"]);
  assert.equal(response.status, 200);
  assert.deepEqual(ownHeaders(response.headers), RESULT_TYPE);
  assert.equal(
    response.body,
    '{"result":{"watch_id":"1","cancel_reason":"\\u003cx\\u003e"}}\n' +
      '{"result":{"watch_id":"2","cancel_reason":"\\u003cx\\u003e"}}\n',
  );
});

test("a stream's error comes as an error line, with its HTTP code if it is the first", async () => {
  const world = new GatewayWorld();
  world.service.onStream = (call) => call.finish(16, "etcdserver: invalid auth token");
  const refused = await world.fetch("/v3/lease/keepalive", { body: '{"ID":"5"}' });
  assert.equal(refused.status, 401);
  assert.deepEqual(ownHeaders(refused.headers), JSON_TYPE);
  assert.equal(refused.body, '{"error":{"code":16,"message":"etcdserver: invalid auth token"}}\n');

  world.service.onStream = (call) => {
    call.onMessage = (message) => {
      const { ID } = LeaseKeepAliveRequest.decode(message);
      call.send(LeaseKeepAliveResponse.encode(LeaseKeepAliveResponse.create({ ID, TTL: 5 })));
      call.finish(14, "etcdserver: no leader");
    };
  };
  const broken = await world.fetch("/v3/lease/keepalive", { body: '{"ID":"5"}' });
  assert.equal(broken.status, 200);
  assert.equal(
    broken.body,
    '{"result":{"ID":"5","TTL":"5"}}\n{"error":{"code":14,"message":"etcdserver: no leader"}}\n',
  );
});

test("a server stream gets its one request and ends with the server", async () => {
  const world = new GatewayWorld();
  world.service.onStream = (call, name) => {
    assert.equal(name, "Snapshot");
    call.onHalfClose = () => {
      const parts = [Buffer.from([0x1a, 0x03]), Buffer.from("abc")];
      call.send(...parts);
      call.send(SnapshotResponse.encode(SnapshotResponse.create({ remainingBytes: 0 })));
      call.finish(0, "");
    };
  };
  const response = await world.fetch("/v3/maintenance/snapshot", { body: "" });
  assert.equal(response.body, '{"result":{"blob":"YWJj"}}\n{"result":{}}\n');
});

test("a malformed request of a stream is told, and the server's call cancelled", async () => {
  const world = new GatewayWorld();
  let cancelled = 0;
  world.service.onStream = (call) => {
    call.onMessage = () => call.send(WatchResponse.encode(WatchResponse.create({ created: true })));
    call.onCancel = () => cancelled++;
  };
  const first = await world.fetch("/v3/watch", { body: "{bad" });
  assert.equal(first.status, 400);
  assert.equal(
    first.body,
    '{"error":{"code":3,"message":"Failed to decode request: ' +
      "invalid character 'b' looking for beginning of object key string\"}}\n",
  );
  const later = await world.fetch("/v3/watch", { body: '{"create_request":{}} {bad}' });
  assert.equal(later.status, 200);
  assert.match(later.body, /^\{"result":\{"created":true\}\}\n\{"error":\{"code":3,/);
  assert.equal(cancelled, 2);
});

test("the end of a watch's requests does not end the watch", async () => {
  const world = new GatewayWorld();
  let halfClosed = 0;
  world.service.onStream = (call) => {
    call.onHalfClose = () => halfClosed++;
  };
  const response = world.start("/v3/watch", { body: '{"create_request":{}}' });
  await new Promise(setImmediate);
  assert.equal(halfClosed, 1);
  assert.equal(response.closed, false);
  response.drop();
  assert.equal(world.service.streamCalls[0]?.cancelled, true);
});

test("a slow reader shows in bufferedBytes until the drain", async () => {
  const world = new GatewayWorld();
  const response = world.start("/v3/watch", { body: "" });
  await new Promise(setImmediate);
  const [call] = world.service.streamCalls;
  assert.ok(call);
  let drained = 0;
  call.onDrain = () => drained++;
  call.send(WatchResponse.encode(WatchResponse.create()));
  assert.equal(call.bufferedBytes, 0);
  response.writable = false;
  call.send(WatchResponse.encode(WatchResponse.create()));
  assert.equal(call.bufferedBytes, '{"result":{}}\n'.length);
  response.onDrain?.();
  assert.equal(call.bufferedBytes, 0);
  assert.equal(drained, 1);
});

test("while the server pauses, no further request is read; a lost client ends the wait", async () => {
  const world = new GatewayWorld();
  const seen: Uint8Array[] = [];
  world.service.onStream = (call) => {
    call.onMessage = (message) => {
      seen.push(message);
      call.pauseReceiving();
    };
  };
  let pulled = 0;
  let finished = false;
  const chunks = (async function* () {
    try {
      for (; pulled < 10; pulled++) yield Buffer.from("{}");
    } finally {
      finished = true;
    }
  })();
  const response = world.start("/v3/watch", { method: "POST", chunks });
  await new Promise(setImmediate);
  assert.equal(seen.length, 1);
  assert.ok(pulled <= 1);
  world.service.streamCalls[0]?.resumeReceiving();
  await new Promise(setImmediate);
  assert.equal(seen.length, 2);
  response.drop();
  await new Promise(setImmediate);
  assert.equal(seen.length, 2);
  assert.equal(finished, true);
});

test("without a gateway the paths do not exist", async () => {
  const world = new GatewayWorld({ service: undefined });
  const response = await world.fetch("/v3/kv/range", { body: "{}" });
  assert.equal(response.status, 404);
  assert.equal(response.body, "404 page not found\n");
});

test("a request is decoded the same way however it was encoded before", async () => {
  const world = new GatewayWorld();
  world.service.onUnary = (call) => call.fail(3, "");
  await world.fetch("/v3/kv/range", { body: '{"key":"AA==","rangeEnd":"AA=="}' });
  const [call] = world.service.unaryCalls;
  const request = RangeRequest.decode(call?.body ?? new Uint8Array());
  assert.deepEqual([...request.key, ...request.rangeEnd], [0, 0]);
});

test("with a limit of streams, further requests wait for a place", async () => {
  const world = new GatewayWorld({ maxConcurrentStreams: 3 });
  world.service.onUnary = (call) => call.reply(RangeResponse.encode(RangeResponse.create({})));
  const body = '{"create_request":{"key":"YQ=="}}';
  const watches = [1, 2, 3].map(() =>
    world.start("/v3/watch", { method: "POST", chunks: endless(body) }),
  );
  const gone = world.start("/v3/kv/range", { body: '{"key":"YQ=="}' });
  const waiting = world.start("/v3/kv/range", { body: '{"key":"YQ=="}' });
  await new Promise(setImmediate);
  const fourth = world.start("/v3/watch", { method: "POST", chunks: endless(body) });
  await new Promise(setImmediate);
  assert.equal(world.service.streamCalls.length, 3);
  assert.equal(world.service.unaryCalls.length, 0);
  gone.drop();
  watches[1]?.drop();
  await waiting.ended;
  await new Promise(setImmediate);
  assert.equal(waiting.status, 200);
  assert.equal(world.service.unaryCalls.length, 1, "the one that went away was never begun");
  assert.equal(world.service.streamCalls.length, 4, "its place is free again");
  assert.equal(fourth.closed, false);
});

test("a large answer leaves in pieces, as fast as its client takes them", async () => {
  const whole = {
    header: { clusterId: 1n, memberId: 2n, revision: 3, raftTerm: 4 },
    kvs: ["a", "b", "c"].map((key) =>
      KeyValue.create({ key: Buffer.from(key), value: Buffer.from(key) }),
    ),
    more: true,
    count: 9,
  };
  const expected = encodeJson(RangeResponse, RangeResponse.create(whole));
  const pieces = [
    RangeResponse.create({ header: whole.header, kvs: whole.kvs.slice(0, 2) }),
    RangeResponse.create({ kvs: whole.kvs.slice(2) }),
    RangeResponse.create({ more: true, count: 9 }),
  ].map((piece) => RangeResponse.encode(piece));
  const world = new GatewayWorld();
  let made = 0;
  let closed = 0;
  world.service.onUnary = (call) =>
    call.replyFrom({
      bytes: 0,
      heldBytes: 0,
      next: () => pieces[made++],
      close: () => {
        closed += 1;
      },
    });
  const response = world.start("/v3/kv/range", { body: '{"key":"YQ=="}' });
  response.writable = false;
  while (made === 0) await new Promise(setImmediate);
  assert.equal(made, 1);
  response.onDrain?.();
  assert.equal(made, 2);
  response.writable = true;
  response.onDrain?.();
  await response.ended;
  assert.equal(response.body, expected);
  assert.equal(closed, 1);
  made = 0;
  const left = world.start("/v3/kv/range", { body: '{"key":"YQ=="}' });
  left.writable = false;
  while (made === 0) await new Promise(setImmediate);
  left.drop();
  assert.equal(closed, 2, "a client that goes away frees what was held for it");
  assert.equal(world.clock.pendingTimers, 0);
});

/** A body that does not end. */
async function* endless(text: string): AsyncGenerator<Uint8Array, void, void> {
  yield Buffer.from(text);
  await new Promise<void>(() => {});
}
