import assert from "node:assert/strict";
import { type ClientHttp2Stream, connect } from "node:http2";
import { request } from "node:http";
import { connect as tcpConnect } from "node:net";
import { after, test } from "node:test";
import { gzipSync } from "node:zlib";
import * as grpc from "@grpc/grpc-js";
import type { HttpHandler } from "../env/http.ts";
import { type Listener, listen, type ListenerOptions } from "./listener.ts";
import { ECHO_METHODS, EchoService, SILENT_LOGGER, SystemClock } from "./testing/echo-service.ts";

const hello: HttpHandler = {
  handle(incoming, response) {
    if (incoming.path === "/body") {
      incoming.readBody(1_000_000).then(
        (body) => {
          response.head(200, { "content-type": "text/plain" });
          response.end(`${incoming.method} ${body.length}`);
        },
        (error: Error) => {
          response.head(413, {});
          response.end(error.message);
        },
      );
      return;
    }
    response.head(200, { "content-type": "text/plain" });
    response.end(`${incoming.method} ${incoming.path}?${incoming.query} ${incoming.headers.host}`);
  },
};

const open: Listener[] = [];
after(async () => {
  for (const listener of open) await listener.stop(0);
});

async function serve(options: Partial<ListenerOptions> = {}) {
  const service = new EchoService();
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    {
      service,
      http: hello,
      methods: ECHO_METHODS,
      clock: new SystemClock(),
      logger: SILENT_LOGGER,
      ...options,
    },
  );
  open.push(listener);
  const port = "port" in listener.address ? listener.address.port : 0;
  return { service, listener, port };
}

const raw = (bytes: Buffer): Buffer => bytes;

function grpcClient(port: number): grpc.Client {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  after(() => client.close());
  return client;
}

function unary(
  client: grpc.Client,
  method: string,
  body: Buffer,
  options: grpc.CallOptions = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(method, raw, raw, body, new grpc.Metadata(), options, (error, reply) =>
      error ? reject(error) : resolve(reply as Buffer),
    );
  });
}

test("grpc-js gets its unary answers, also when many calls run at once", async () => {
  const { port } = await serve();
  const client = grpcClient(port);
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, i) => unary(client, "/test.Echo/Echo", Buffer.from(`n${i}`))),
  );
  assert.deepEqual(
    answers.map(String),
    Array.from({ length: 200 }, (_, i) => `n${i}`),
  );
});

test("grpc-js gets status code and text of a failed call", async () => {
  const { port } = await serve();
  await assert.rejects(unary(grpcClient(port), "/test.Echo/Fail", Buffer.alloc(0)), {
    code: 9,
    details: "it failed: 100 % ünfit",
  });
});

test("unknown services and methods are UNIMPLEMENTED in grpc-go's words", async () => {
  const { port } = await serve();
  const client = grpcClient(port);
  await assert.rejects(unary(client, "/test.Nope/Echo", Buffer.alloc(0)), {
    code: 12,
    details: "unknown service test.Nope",
  });
  await assert.rejects(unary(client, "/test.Echo/Nope", Buffer.alloc(0)), {
    code: 12,
    details: "unknown method Nope for service test.Echo",
  });
});

test("messages of several megabytes pass in both directions", async () => {
  const { port } = await serve({ maxRequestBytes: 8_000_000 });
  const body = Buffer.alloc(7_000_000, "x");
  body.write("start");
  body.write("the end", body.length - 7);
  const answer = await unary(grpcClient(port), "/test.Echo/Echo", body);
  assert.ok(answer.equals(body));
});

test("a request above the limit is RESOURCE_EXHAUSTED with both sizes", async () => {
  const { port } = await serve();
  await assert.rejects(unary(grpcClient(port), "/test.Echo/Echo", Buffer.alloc(2_097_153)), {
    code: 8,
    details: "grpc: received message larger than max (2097153 vs. 2097152)",
  });
});

test("a deadline ends the call on both sides", async () => {
  const { port, service } = await serve();
  const client = grpcClient(port);
  const deadline = new Date(Date.now() + 1_000);
  await assert.rejects(unary(client, "/test.Echo/Hang", Buffer.alloc(0), { deadline }), {
    code: 4,
  });
  while (!service.hanging[0]?.cancelled) await new Promise((resolve) => setImmediate(resolve));
});

test("a cancelled call is cancelled in the service", async () => {
  const { port, service } = await serve();
  const client = grpcClient(port);
  const cancelled = new Promise<grpc.ServiceError | null>((resolve) => {
    const call = client.makeUnaryRequest("/test.Echo/Hang", raw, raw, Buffer.alloc(0), resolve);
    const wait = (): void => {
      const waiting = service.hanging[0];
      if (waiting === undefined) {
        setImmediate(wait);
        return;
      }
      call.cancel();
    };
    wait();
  });
  assert.equal((await cancelled)?.code, 1);
  while (!service.hanging[0]?.cancelled) await new Promise((resolve) => setImmediate(resolve));
});

test("a server stream delivers all items and then its status", async () => {
  const { port } = await serve();
  const call = grpcClient(port).makeServerStreamRequest(
    "/test.Echo/Repeat",
    raw,
    raw,
    Buffer.from("5000"),
  );
  let count = 0;
  for await (const item of call) assert.equal(String(item), `item ${count++}`);
  assert.equal(count, 5000);
});

test("a bidirectional stream echoes in order and ends after the client", async () => {
  const { port } = await serve();
  const call = grpcClient(port).makeBidiStreamRequest("/test.Echo/Bidi", raw, raw);
  const received: string[] = [];
  call.on("data", (item: Buffer) => {
    received.push(String(item));
    if (received.length === 3) call.end();
  });
  for (const text of ["a", "b", "c"]) call.write(Buffer.from(text));
  const status = await new Promise<grpc.StatusObject>((resolve) => call.on("status", resolve));
  assert.equal(status.code, 0);
  assert.deepEqual(received, ["echo a", "echo b", "echo c"]);
});

function http2Post(port: number, headers: Record<string, string>, body: Buffer) {
  return new Promise<{ head: Record<string, unknown>; trailers: Record<string, unknown> }>(
    (resolve, reject) => {
      const session = connect(`http://127.0.0.1:${port}`);
      session.on("error", reject);
      const stream: ClientHttp2Stream = session.request({ ":method": "POST", ...headers });
      let head: Record<string, unknown> = {};
      let trailers: Record<string, unknown> = {};
      stream.on("response", (h) => {
        head = h;
      });
      stream.on("trailers", (t) => {
        trailers = t;
      });
      stream.on("close", () => {
        session.close();
        resolve({ head, trailers });
      });
      stream.on("error", reject);
      stream.resume();
      stream.end(body);
    },
  );
}

function framed(body: Buffer, compressed = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed;
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

test("a gzip request is decompressed, an unknown encoding refused, a bomb stopped", async () => {
  const { port } = await serve();
  const base = { ":path": "/test.Echo/Echo", "content-type": "application/grpc" };
  const gzip = { ...base, "grpc-encoding": "gzip" };
  const good = await http2Post(port, gzip, framed(gzipSync(Buffer.from("hi")), 1));
  assert.equal(good.trailers["grpc-status"], "0");
  const unknown = await http2Post(
    port,
    { ...base, "grpc-encoding": "zstd" },
    framed(Buffer.alloc(3), 1),
  );
  assert.equal(unknown.head["grpc-status"], "12");
  assert.equal(
    unknown.head["grpc-message"],
    'grpc: Decompressor is not installed for grpc-encoding "zstd"',
  );
  const bomb = await http2Post(port, gzip, framed(gzipSync(Buffer.alloc(50_000_000)), 1));
  assert.equal(bomb.head["grpc-status"], "8");
  assert.equal(
    bomb.head["grpc-message"],
    "grpc: received message after decompression larger than max 2097152",
  );
});

test("the content subtype of a request is repeated in the answer", async () => {
  const { port } = await serve();
  const headers = { ":path": "/test.Echo/Echo", "content-type": "application/grpc+proto" };
  const answer = await http2Post(port, headers, framed(Buffer.from("hi")));
  assert.equal(answer.head["content-type"], "application/grpc+proto");
  assert.equal(answer.trailers["grpc-status"], "0");
});

test("without an HTTP handler other content types get 415", async () => {
  const { port } = await serve({ http: undefined });
  const headers = { ":path": "/test.Echo/Echo", "content-type": "application/json" };
  const answer = await http2Post(port, headers, Buffer.from("{}"));
  assert.equal(answer.head[":status"], 415);
});

function http1(port: number, path: string, method = "GET", body?: Buffer) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const outgoing = request({ host: "127.0.0.1", port, path, method }, (incoming) => {
      let text = "";
      incoming.on("data", (chunk) => {
        text += chunk;
      });
      incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, text }));
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

test("HTTP/1.1 on the same port reaches the HTTP handler", async () => {
  const { port } = await serve();
  const answer = await http1(port, "/version?a=b");
  assert.deepEqual(answer, { status: 200, text: `GET /version?a=b 127.0.0.1:${port}` });
  assert.equal((await http1(port, "/body", "POST", Buffer.alloc(300_000))).text, "POST 300000");
  assert.equal((await http1(port, "/body", "POST", Buffer.alloc(1_000_001))).status, 413);
});

test("plain HTTP/2 requests reach the HTTP handler too, with large bodies", async () => {
  const { port } = await serve();
  const answer = await http2Post(port, { ":path": "/body" }, Buffer.alloc(900_000));
  assert.equal(answer.head[":status"], 200);
});

test("garbage sent byte by byte is answered with 400", async () => {
  const { port } = await serve();
  const text = await new Promise<string>((resolve) => {
    const socket = tcpConnect(port, "127.0.0.1", async () => {
      for (const byte of "PRI-NOT /x HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n") {
        socket.write(byte);
        await new Promise((next) => setImmediate(next));
      }
    });
    let all = "";
    socket.on("data", (chunk) => {
      all += chunk;
    });
    socket.on("close", () => resolve(all));
  });
  assert.match(text, /^HTTP\/1.1 400/);
});

test("a port in use is reported in Go's words", async () => {
  const { port } = await serve();
  await assert.rejects(
    serveOn(port),
    new Error(`listen tcp 127.0.0.1:${port}: bind: address already in use`),
  );
});

function serveOn(port: number): Promise<Listener> {
  return listen(
    { host: "127.0.0.1", port },
    { http: hello, methods: [], clock: new SystemClock(), logger: SILENT_LOGGER },
  );
}

test("connections wait until serving starts", async () => {
  const { port, listener, service } = await serve({ hold: true });
  const answer = unary(grpcClient(port), "/test.Echo/Echo", Buffer.from("early"));
  while (listener.connections === 0 && service.batches.length === 0) {
    await new Promise((resolve) => setImmediate(resolve));
    if (service.batches.length === 0) listener.startServing();
  }
  assert.equal(String(await answer), "early");
});

test("a graceful stop lets calls in flight finish and refuses new ones", async () => {
  const { port, listener, service } = await serve();
  const client = grpcClient(port);
  const pending = unary(client, "/test.Echo/Hang", Buffer.from("x"));
  while (service.hanging.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const stopped = listener.stop(30_000);
  service.hanging[0]?.reply(Buffer.from("finished"));
  assert.equal(String(await pending), "finished");
  await stopped;
  await assert.rejects(http1(port, "/"));
});
