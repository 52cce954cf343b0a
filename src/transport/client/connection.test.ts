import assert from "node:assert/strict";
import { after, test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import { type Listener, listen, type ListenerOptions } from "../listener.ts";
import { ECHO_METHODS, EchoService, SILENT_LOGGER, SystemClock } from "../testing/echo-service.ts";
import { type ClientConnection, type ClientOptions, connect } from "./connection.ts";
import type { RpcError } from "./rpc-error.ts";

const open: { stop(): unknown }[] = [];
after(async () => {
  for (const item of open) await item.stop();
});

async function serve(options: Partial<ListenerOptions> = {}) {
  const service = new EchoService();
  const listener: Listener = await listen(
    { host: "127.0.0.1", port: 0 },
    {
      service,
      methods: ECHO_METHODS,
      clock: new SystemClock(),
      logger: SILENT_LOGGER,
      ...options,
    },
  );
  open.push({ stop: () => listener.stop(0) });
  return { service, listener, port: "port" in listener.address ? listener.address.port : 0 };
}

async function client(port: number, options: ClientOptions = {}): Promise<ClientConnection> {
  const connection = await connect("127.0.0.1", port, options);
  open.push({ stop: () => connection.close() });
  return connection;
}

test("unary calls answer, one by one and many at once", async () => {
  const { port } = await serve();
  const connection = await client(port);
  const echo = (text: string) => connection.unary("/test.Echo/Echo", Buffer.from(text));
  assert.equal(String(Buffer.from(await echo("one"))), "one");
  const many = await Promise.all(Array.from({ length: 500 }, (_, i) => echo(`n${i}`)));
  for (const [i, answer] of many.entries()) assert.equal(String(Buffer.from(answer)), `n${i}`);
});

test("calls beyond the server's stream limit wait for their turn", async () => {
  const { port } = await serve({ maxConcurrentStreams: 3 });
  const connection = await client(port);
  const many = await Promise.all(
    Array.from({ length: 50 }, (_, i) => connection.unary("/test.Echo/Echo", Buffer.from(`${i}`))),
  );
  assert.equal(many.length, 50);
});

test("errors carry code and text", async () => {
  const { port } = await serve();
  const connection = await client(port);
  await assert.rejects(connection.unary("/test.Echo/Fail", Buffer.alloc(0)), (error: RpcError) => {
    assert.equal(error.code, 9);
    assert.equal(error.message, "it failed: 100 % ünfit");
    return true;
  });
  await assert.rejects(connection.unary("/x.Y/Z", Buffer.alloc(0)), {
    code: 12,
    message: "unknown service x.Y",
  });
});

test("a deadline ends the call here and there", async () => {
  const { port, service } = await serve();
  const connection = await client(port);
  const deadlineMs = connection.nowMs() + 30;
  await assert.rejects(connection.unary("/test.Echo/Hang", Buffer.alloc(0), { deadlineMs }), {
    code: 4,
    message: "context deadline exceeded",
  });
  while (!service.hanging[0]?.cancelled) await new Promise((resolve) => setImmediate(resolve));
});

test("an aborted call is cancelled on the server and rejects with the signal's reason", async () => {
  const { port, service } = await serve();
  const connection = await client(port);
  const controller = new AbortController();
  const { signal } = controller;
  const call = connection.unary("/test.Echo/Hang", Buffer.alloc(0), { signal });
  while (service.hanging.length === 0) await new Promise((resolve) => setImmediate(resolve));
  controller.abort(new Error("enough"));
  await assert.rejects(call, new Error("enough"));
  while (!service.hanging[0]?.cancelled) await new Promise((resolve) => setImmediate(resolve));
});

test("metadata reaches the service", async () => {
  const { port, service } = await serve();
  const connection = await client(port);
  const metadata = { token: "secret.1", "trace-bin": "\x00\xff" };
  void connection.unary("/test.Echo/Hang", Buffer.alloc(0), { metadata }).catch(() => {});
  while (service.hanging.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(service.hanging[0]?.metadata("token"), "secret.1");
  assert.equal(service.hanging[0]?.metadata("trace-bin"), "\x00\xff");
  assert.equal(service.hanging[0]?.metadata("absent"), undefined);
});

test("a bidirectional stream echoes and ends", async () => {
  const { port } = await serve();
  const connection = await client(port);
  const received: string[] = [];
  const error = await new Promise<RpcError | undefined>((resolve) => {
    const stream = connection.stream("/test.Echo/Bidi", {
      onMessage(body) {
        received.push(String(Buffer.from(body)));
        if (received.length === 2) stream.halfClose();
      },
      onEnd: resolve,
    });
    stream.send(Buffer.from("a"));
    stream.send(Buffer.from("b"), Buffer.from("c"));
  });
  assert.equal(error, undefined);
  assert.deepEqual(received, ["echo a", "echo bc"]);
});

test("messages larger than every window pass both ways", async () => {
  const { port } = await serve({ maxRequestBytes: 40_000_000 });
  const connection = await client(port);
  const body = Buffer.alloc(30_000_000, "abc");
  const answer = await connection.unary("/test.Echo/Echo", body);
  assert.ok(body.equals(answer));
});

test("a paused stream holds the server back and loses nothing", async () => {
  const { port, service } = await serve();
  const connection = await client(port);
  let bytes = 0;
  let paused = true;
  const done = new Promise<RpcError | undefined>((resolve) => {
    const stream = connection.stream("/test.Echo/Bidi", {
      onMessage(body) {
        bytes += body.length;
        if (paused) {
          paused = false;
          stream.pauseReceiving();
          const check = (): void => {
            if ((service.streams[0]?.bufferedBytes ?? 0) > 500_000) stream.resumeReceiving();
            else setImmediate(check);
          };
          check();
        }
      },
      onEnd: resolve,
    });
    for (let i = 0; i < 40; i++) stream.send(Buffer.alloc(100_000));
    stream.halfClose();
  });
  assert.equal(await done, undefined);
  assert.equal(bytes, 40 * 100_005);
});

test("open calls fail with UNAVAILABLE when the connection is lost", async () => {
  const { port, listener, service } = await serve();
  let closed = "";
  const connection = await client(port, {
    onClose: (reason) => {
      closed = reason;
    },
  });
  const call = connection.unary("/test.Echo/Hang", Buffer.alloc(0));
  while (service.hanging.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const lost = assert.rejects(call, { code: 14 });
  await listener.stop(0);
  await lost;
  assert.notEqual(closed, "");
  await assert.rejects(connection.unary("/test.Echo/Echo", Buffer.alloc(0)), { code: 14 });
});

test("a refused connection says so in Go's words", async () => {
  const { port, listener } = await serve();
  await listener.stop(0);
  await assert.rejects(connect("127.0.0.1", port), {
    code: 14,
    message:
      'connection error: desc = "transport: Error while dialing: ' +
      `dial tcp 127.0.0.1:${port}: connect: connection refused"`,
  });
});

test("a unix socket serves as well", async () => {
  const path = `/tmp/etcd-ts-transport-${process.pid}.sock`;
  const listener = await listen(
    { path },
    {
      service: new EchoService(),
      methods: ECHO_METHODS,
      clock: new SystemClock(),
      logger: SILENT_LOGGER,
    },
  );
  open.push({ stop: () => listener.stop(0) });
  const connection = await connect(path, undefined);
  open.push({ stop: () => connection.close() });
  assert.equal(
    String(Buffer.from(await connection.unary("/test.Echo/Echo", Buffer.from("u")))),
    "u",
  );
});

const raw = (bytes: Buffer): Buffer => bytes;

test("our client speaks to a grpc-js server: unary, errors, streams, graceful stop", async () => {
  const server = new grpc.Server();
  const method = (path: string, streams: boolean) => ({
    path,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  });
  server.addService(
    {
      Echo: method("/test.Echo/Echo", false),
      Fail: method("/test.Echo/Fail", false),
      Bidi: method("/test.Echo/Bidi", true),
    },
    {
      Echo: (call: grpc.ServerUnaryCall<Buffer, Buffer>, done: grpc.sendUnaryData<Buffer>) =>
        done(null, call.request),
      Fail: (_call: unknown, done: grpc.sendUnaryData<Buffer>) =>
        done({ code: 5, details: "not ü" }),
      Bidi: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => {
        call.on("data", (item: Buffer) => call.write(item));
        call.on("end", () => call.end());
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const connection = await client(port);
  const big = Buffer.alloc(1_000_000, "z");
  assert.ok(big.equals(await connection.unary("/test.Echo/Echo", big)));
  await assert.rejects(connection.unary("/test.Echo/Fail", Buffer.alloc(0)), {
    code: 5,
    message: "not ü",
  });
  const received: string[] = [];
  const error = await new Promise<RpcError | undefined>((resolve) => {
    const stream = connection.stream("/test.Echo/Bidi", {
      onMessage(body) {
        received.push(String(Buffer.from(body)));
        if (received.length === 3) stream.halfClose();
      },
      onEnd: resolve,
    });
    for (const text of ["x", "y", "z"]) stream.send(Buffer.from(text));
  });
  assert.equal(error, undefined);
  assert.deepEqual(received, ["x", "y", "z"]);
  await new Promise((resolve) => server.tryShutdown(resolve));
  assert.equal(connection.closing, true);
});
