/** The load generator against a gRPC server of Node's own HTTP/2 library. */
import assert from "node:assert/strict";
import {
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import {
  LeaseGrantRequest,
  PutRequest,
  WatchRequest,
  WatchResponse,
} from "../../src/api/gen/rpc.ts";
import { Event } from "../../src/api/gen/kv.ts";
import { runClosedLoop } from "./closed-loop.ts";
import { TestAuthority } from "../../src/platform/tls/testing/authority.ts";
import { FirstWrite } from "./first-write.ts";
import { runHandshakes } from "./handshakes.ts";
import { Histogram } from "./histogram.ts";
import type { ClosedLoopJob } from "./jobs.ts";
import { LoadConnection } from "./load-connection.ts";
import { runOpenLoop } from "./open-loop.ts";
import { keyOf, type RequestKind, requestTemplates } from "./requests.ts";
import { runKeepAlive, runWatch } from "./streams.ts";

type Handler = (
  path: string,
  message: Buffer,
  reply: (message: Uint8Array) => void,
  headers: IncomingHttpHeaders,
) => number;

/** Answers each message by the handler; a call of one message ends with the handler's status. */
async function withServer(
  handler: Handler,
  isStream: (path: string) => boolean,
  use: (port: number) => Promise<void>,
): Promise<void> {
  const server = createServer();
  server.on("stream", (stream, headers) => {
    const path = String(headers[":path"]);
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true },
    );
    stream.on("error", () => {});
    serve(stream, headers, handler, isStream(path));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    closeAll(server);
  }
}

function closeAll(server: Http2Server): void {
  server.close();
}

function serve(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  handler: Handler,
  isOpen: boolean,
): void {
  const path = String(headers[":path"]);
  let rest = Buffer.alloc(0);
  let status = 0;
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": String(status) }));
  stream.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 5 && rest.length >= 5 + rest.readUInt32BE(1)) {
      const end = 5 + rest.readUInt32BE(1);
      const message = rest.subarray(5, end);
      rest = rest.subarray(end);
      const reply = (answer: Uint8Array): void => {
        const prefix = Buffer.alloc(5);
        prefix.writeUInt32BE(answer.length, 1);
        stream.write(Buffer.concat([prefix, answer]));
      };
      status = handler(path, message, reply, headers);
      if (!isOpen) stream.end();
    }
  });
}

const JOB: Omit<ClosedLoopJob, "ports"> = {
  kind: "closedLoop",
  connections: 3,
  streams: 4,
  request: { kind: "put", valueBytes: 256 },
  firstKey: 5,
  keyCount: 100,
  keyOrder: "sequential",
  warmUpSeconds: 0,
  limit: { requests: 100 },
};

test("a closed loop sends each key once and counts what succeeded", async () => {
  const keys: string[] = [];
  const handler: Handler = (path, message, reply) => {
    assert.equal(path, "/etcdserverpb.KV/Put");
    const put = PutRequest.decode(message);
    assert.equal(put.value.length, 256);
    keys.push(Buffer.from(put.key).toString());
    reply(new Uint8Array(3));
    return keys.length % 10 === 0 ? 8 : 0;
  };
  await withServer(
    handler,
    () => false,
    async (port) => {
      const result = await runClosedLoop({ ...JOB, ports: [port] });
      assert.equal(result.operations, 90);
      assert.equal(result.errors, 10);
      assert.equal(result.latency.count, 90);
    },
  );
  const wanted = Array.from({ length: 100 }, (_, i) => keyOf(5 + i).toString());
  assert.deepEqual(keys.sort(), wanted);
});

test("an answer of many reads is seen byte for byte", async () => {
  const body = Buffer.from(Array.from({ length: 700_001 }, (_, i) => i * 7 + (i >>> 8)));
  const server = createServer();
  server.on("stream", (stream) => {
    stream.respond({ ":status": 200 }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "5" }));
    stream.end(body);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const pieces: Buffer[] = [];
  const { port } = server.address() as AddressInfo;
  const status = await new Promise((onEnd, onClose) => {
    const connection = new LoadConnection(port, {
      onData: (_, chunk, start, end) => pieces.push(Buffer.from(chunk.subarray(start, end))),
      onEnd: (_, code) => {
        connection.close();
        onEnd(code);
      },
      onClose,
    });
    connection.call(requestTemplates({ kind: "get", isSerializable: true }), 1);
  });
  closeAll(server);
  assert.equal(status, 5);
  assert.ok(Buffer.concat(pieces).equals(body));
});

test("connections go to the members in turn", async () => {
  const counts = [0, 0];
  const member =
    (index: number): Handler =>
    (_, __, reply) => {
      counts[index] = (counts[index] ?? 0) + 1;
      reply(new Uint8Array(0));
      return 0;
    };
  const never = () => false;
  await withServer(member(0), never, (first) =>
    withServer(member(1), never, async (second) => {
      const ports = [first, second];
      await runClosedLoop({ ...JOB, connections: 2, streams: 1, ports, limit: { requests: 2 } });
    }),
  );
  assert.deepEqual(counts, [1, 1]);
});

test("a load without a limit goes on until it is stopped", async () => {
  const stop = new AbortController();
  let answered = 0;
  const handler: Handler = (_, __, reply) => {
    reply(new Uint8Array(0));
    if (++answered === 50) stop.abort();
    return 0;
  };
  await withServer(
    handler,
    () => false,
    async (port) => {
      const job: ClosedLoopJob = { ...JOB, ports: [port], limit: "stop" };
      const { operations, errors } = await runClosedLoop(job, stop.signal);
      assert.ok(operations > 0 && operations <= 50, `${operations} operations`);
      assert.equal(errors, 0);
    },
  );
});

test("requests of several kinds are sent in turn", async () => {
  const paths: string[] = [];
  const handler: Handler = (path, _, reply) => {
    paths.push(path.slice(path.lastIndexOf("/") + 1));
    reply(new Uint8Array(0));
    return 0;
  };
  const request: RequestKind[] = [
    { kind: "put", valueBytes: 1 },
    { kind: "get", isSerializable: true },
    { kind: "txn", valueBytes: 1 },
  ];
  await withServer(
    handler,
    () => false,
    async (port) => {
      const one = { connections: 1, streams: 1, request, ports: [port] };
      await runClosedLoop({ ...JOB, ...one, limit: { requests: 6 } });
    },
  );
  assert.deepEqual(paths, ["Put", "Range", "Txn", "Put", "Range", "Txn"]);
});

test("an open loop sends on while nothing is answered, and waits for the last answers", async () => {
  const unanswered: (() => void)[] = [];
  const stop = new AbortController();
  const server = createServer();
  server.on("stream", (stream) => {
    unanswered.push(() => {
      stream.respond(
        { ":status": 200, "content-type": "application/grpc" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end();
    });
    stream.resume();
    if (unanswered.length === 10) {
      stop.abort();
      for (const answer of unanswered) answer();
    } else if (unanswered.length > 10) unanswered.at(-1)?.();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  try {
    const result = await runOpenLoop(
      {
        kind: "openLoop",
        ports: [port],
        requests: [{ kind: "get", isSerializable: false }],
        perSecond: 1000,
        firstKey: 0,
        keyCount: 10,
        keyOrder: "random",
        warmUpSeconds: 0,
        limit: "stop",
      },
      stop.signal,
    );
    assert.equal(result.errors, 0);
    assert.equal(result.operations, unanswered.length);
    assert.ok(result.operations >= 10, `${result.operations} operations`);
  } finally {
    closeAll(server);
  }
});

test("the first write that succeeds ends a failover, and refused ones do not", async () => {
  let answers = 0;
  let hasLeader = true;
  const handler: Handler = (_, __, reply) => {
    reply(new Uint8Array(0));
    answers++;
    // Without a leader, four puts are refused before one is taken.
    return hasLeader || answers > 5 ? 0 : 14;
  };
  await withServer(
    handler,
    () => false,
    async (port) => {
      const write = new FirstWrite([port], 256);
      await write.ready();
      assert.equal(answers, 1);
      hasLeader = false;
      const startMs = performance.now();
      const ms = await write.first(startMs);
      assert.ok(answers >= 6, `${answers} answers`);
      assert.ok(ms > 0 && ms <= performance.now() - startMs);
      write.close();
    },
  );
});

test("a server that goes away fails the load", async () => {
  await assert.rejects(runClosedLoop({ ...JOB, ports: [1] }), /ECONNREFUSED/);
});

test("a watch load counts the events of all watchers", async () => {
  const watchers: ((message: Uint8Array) => void)[] = [];
  const handler: Handler = (path, message, reply) => {
    if (path === "/etcdserverpb.Watch/Watch") {
      assert.equal(WatchRequest.decode(message).requestUnion?.case, "createRequest");
      watchers.push(reply);
      reply(WatchResponse.encode(WatchResponse.create({ created: true })));
    } else {
      const event = WatchResponse.encode(WatchResponse.create({ events: [Event.create()] }));
      for (const send of watchers) send(event);
      reply(new Uint8Array(0));
    }
    return 0;
  };
  await withServer(
    handler,
    (path) => path.endsWith("Watch"),
    async (port) => {
      const job = { connections: 2, watchers: 5, valueBytes: 10, seconds: 0.2 };
      const result = await runWatch({ kind: "watch", port, ...job });
      assert.equal(watchers.length, 5);
      assert.ok(result.operations >= 5 && result.latency.count >= 1);
      assert.equal(result.errors, 0);
    },
  );
});

test("watchers are spread over the keys, and each put waits for those of its key", async () => {
  const watchers = new Map<string, ((message: Uint8Array) => void)[]>();
  const puts: string[] = [];
  const handler: Handler = (path, message, reply) => {
    if (path === "/etcdserverpb.Watch/Watch") {
      const { requestUnion } = WatchRequest.decode(message);
      assert.equal(requestUnion?.case, "createRequest");
      const key = Buffer.from(requestUnion.value.key).toString();
      watchers.set(key, [...(watchers.get(key) ?? []), reply]);
      reply(WatchResponse.encode(WatchResponse.create({ created: true })));
    } else {
      const key = Buffer.from(PutRequest.decode(message).key).toString();
      puts.push(key);
      const event = WatchResponse.encode(WatchResponse.create({ events: [Event.create()] }));
      for (const send of watchers.get(key) ?? []) send(event);
      reply(new Uint8Array(0));
    }
    return 0;
  };
  await withServer(
    handler,
    (path) => path.endsWith("Watch"),
    async (port) => {
      const job = { connections: 2, watchers: 7, keys: 3, valueBytes: 10, seconds: 0.2 };
      await runWatch({ kind: "watch", port, ...job });
    },
  );
  assert.deepEqual(
    [0, 1, 2].map((n) => watchers.get(keyOf(n).toString())?.length),
    [3, 2, 2],
  );
  assert.deepEqual(
    puts.slice(0, 4),
    [0, 1, 2, 0].map((n) => keyOf(n).toString()),
  );
});

test("a keep-alive load grants one lease per stream", async () => {
  const granted = new Set<bigint>();
  const handler: Handler = (path, message, reply) => {
    if (path.endsWith("LeaseGrant")) granted.add(LeaseGrantRequest.decode(message).ID);
    reply(new Uint8Array(0));
    return 0;
  };
  await withServer(
    handler,
    (path) => path.endsWith("KeepAlive"),
    async (port) => {
      const job = { connections: 2, streams: 3, seconds: 0.2 };
      const result = await runKeepAlive({ kind: "keepAlive", port, ...job });
      assert.equal(granted.size, 6);
      assert.ok(result.operations >= 6);
    },
  );
});

test("every kind of request has its key's digits where they can be written", () => {
  const digitsOf = (request: RequestKind) => requestTemplates(request).next.digitsAt.length;
  assert.equal(digitsOf({ kind: "put", valueBytes: 1 }), 1);
  assert.equal(digitsOf({ kind: "get", isSerializable: true }), 1);
  assert.equal(digitsOf({ kind: "range", keys: 10, isSerializable: false }), 1);
  assert.equal(digitsOf({ kind: "txn", valueBytes: 1 }), 3);
  assert.equal(digitsOf({ kind: "grant" }), 0);
  assert.equal(digitsOf({ kind: "authenticate", username: "u", password: "p" }), 0);
  assert.equal(keyOf(7).length, 18);
});

for (const length of [20, 126, 127, 128, 700]) {
  test(`a token of ${length} bytes reaches the server with every request`, async () => {
    const token = "t".repeat(length);
    const seen = new Map<string, number>();
    const handler: Handler = (_path, _message, reply, headers) => {
      const given = String(headers["token"]);
      seen.set(given, (seen.get(given) ?? 0) + 1);
      reply(new Uint8Array(0));
      return 0;
    };
    await withServer(
      handler,
      () => false,
      async (port) => {
        const { operations } = await runClosedLoop({ ...JOB, ports: [port], token });
        assert.equal(operations, 100);
      },
    );
    assert.deepEqual([...seen], [[token, 100]]);
  });
}

test("every handshake that is counted was completed at the server", async () => {
  const { cert, key } = new TestAuthority().issue();
  let completed = 0;
  const server = createTlsServer({ cert, key, ALPNProtocols: ["h2"] }, (socket) => {
    completed++;
    socket.on("error", () => {});
    socket.resume();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const result = await runHandshakes({ kind: "handshakes", port, connections: 2, seconds: 0.2 });
  server.close();
  assert.ok(result.operations >= 2, `${result.operations} operations`);
  assert.equal(completed, result.operations);
});

test("percentiles are within three percent", () => {
  const histogram = new Histogram();
  for (let i = 1; i <= 10_000; i++) histogram.record(i / 100);
  const { count, p50Ms, p99Ms, p999Ms, maxMs, meanMs } = histogram.summary();
  assert.equal(count, 10_000);
  assert.equal(maxMs, 100);
  assert.ok(Math.abs(meanMs - 50.005) < 1e-6);
  for (const [value, wanted] of [
    [p50Ms, 50],
    [p99Ms, 99],
    [p999Ms, 99.9],
  ] as const) {
    assert.ok(value >= wanted && value <= wanted * 1.035, `${value} for ${wanted}`);
  }
  assert.deepEqual(new Histogram().summary().p50Ms, 0);
});
