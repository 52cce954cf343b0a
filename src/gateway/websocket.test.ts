import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { PutRequest, RangeResponse, WatchResponse } from "../api/gen/rpc.ts";
import type { HttpHandlerDeps } from "./http-handler.ts";
import { fakeRequest, GatewayWorld } from "./testing/world.ts";

/** RFC 6455 section 5.2. */
const Opcode = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const;
const MASK = Buffer.from([0x11, 0x22, 0x33, 0x44]);

interface FrameOptions {
  readonly final?: boolean;
  readonly reserved?: number;
  readonly masked?: boolean;
  /** Claims another length than the payload has. */
  readonly length?: number;
}

/** A frame of a client. */
function clientFrame(opcode: number, payload: string | Buffer, options: FrameOptions = {}): Buffer {
  const content = Buffer.from(payload as string);
  const length = options.length ?? content.length;
  const head = Buffer.alloc(length < 126 ? 2 : length <= 0xffff ? 4 : 10);
  head[0] = (options.final === false ? 0 : 0x80) | (options.reserved ?? 0) | opcode;
  const maskBit = options.masked === false ? 0 : 0x80;
  if (length < 126) head[1] = maskBit | length;
  else if (length <= 0xffff) {
    head[1] = maskBit | 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = maskBit | 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  if (options.masked === false) return Buffer.concat([head, content]);
  const masked = content.map((byte, i) => byte ^ (MASK[i & 3] as number));
  return Buffer.concat([head, MASK, masked]);
}

/** A frame of the server, as short as this one. */
function serverFrame(opcode: number, payload: string | Buffer): Buffer {
  const content = Buffer.from(payload as string);
  assert.ok(content.length < 126);
  return Buffer.concat([Buffer.from([0x80 | opcode, content.length]), content]);
}

function closeFrame(code: number): string {
  return serverFrame(Opcode.CLOSE, Buffer.from([code >> 8, code & 0xff])).toString("latin1");
}

interface Client {
  readonly socket: Socket;
  /** Resolves with everything received once `marker` is in it. */
  until(marker: string | Buffer): Promise<string>;
  readonly closed: Promise<string>;
}

/** A listener with the gateway behind it, and one raw client connected to it. */
async function connectClient(t: TestContext, world: GatewayWorld): Promise<Client> {
  const server = createServer((_, response) => response.end("not upgraded"));
  server.on("upgrade", (request, socket, head) => {
    const headers = request.headers as Record<string, string>;
    const { url = "", method = "" } = request;
    const upgraded = world.handler.upgrade(fakeRequest(url, { method, headers }), socket, head);
    if (!upgraded) socket.end("a plain request");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  t.after(() => {
    socket.destroy();
    server.close();
    server.closeAllConnections();
  });
  let received = Buffer.alloc(0);
  let wake: () => void = () => {};
  socket.on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
    wake();
  });
  const closed = once(socket, "close").then(() => received.toString("latin1"));
  closed.catch(() => {});
  return {
    socket,
    closed,
    async until(marker) {
      while (!received.includes(marker)) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return received.toString("latin1");
    },
  };
}

function handshake(path: string, headers: readonly string[] = []): string {
  return [
    `GET ${path} HTTP/1.1`,
    "Host: localhost",
    "Upgrade: websocket",
    "Connection: keep-alive, Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
    "\r\n",
  ].join("\r\n");
}

test("a watch over WebSocket: a message per request, a message per answer", async (t) => {
  const world = new GatewayWorld();
  world.service.onStream = (call) => {
    let id = 0;
    call.onMessage = () => {
      id++;
      call.send(WatchResponse.encode(WatchResponse.create({ watchId: id })));
    };
  };
  const client = await connectClient(t, world);
  // The first message comes along with the handshake.
  client.socket.write(handshake("/v3/watch"), "latin1");
  client.socket.write(clientFrame(Opcode.TEXT, '{"create_request":{"key":"Zm9v"}}'));
  const opened = await client.until(serverFrame(Opcode.TEXT, '{"result":{"watch_id":"1"}}'));
  assert.match(opened, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.match(opened, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
  assert.doesNotMatch(opened, /Sec-WebSocket-Protocol/);
  client.socket.write(clientFrame(Opcode.PING, "p"));
  await client.until(serverFrame(Opcode.PONG, "p"));
  client.socket.write(clientFrame(Opcode.TEXT, '{"cancel_request":{}}'));
  await client.until(serverFrame(Opcode.TEXT, '{"result":{"watch_id":"2"}}'));
  const [call] = world.service.streamCalls;
  assert.ok(call?.cancelled === false);
  const cancelled = new Promise<void>((resolve) => {
    call.onCancel = resolve;
  });
  client.socket.write(clientFrame(Opcode.CLOSE, Buffer.from([0x03, 0xe8])));
  const all = await client.closed;
  assert.ok(all.endsWith(closeFrame(1000)));
  await cancelled;
});

test("messages arrive whole, however frames and chunks are cut", async (t) => {
  const quoted = (text: string): string => JSON.stringify(Buffer.from(text).toString("base64"));
  const put = (value: string): string => `{"key":"Zm9v","value":${quoted(value)}}`;
  const long = put("x".repeat(70_000));
  const bytes = Buffer.concat([
    clientFrame(Opcode.TEXT, long.slice(0, 60_000), { final: false }),
    clientFrame(Opcode.PING, "are you there"),
    clientFrame(Opcode.CONTINUATION, long.slice(60_000, 60_001), { final: false }),
    clientFrame(Opcode.PONG, "ignored"),
    clientFrame(Opcode.CONTINUATION, long.slice(60_001)),
  ]);
  for (const size of [7, 1000, bytes.length]) {
    const world = new GatewayWorld();
    world.service.onUnary = (call) => {
      const { value } = PutRequest.decode(call.body);
      call.reply(RangeResponse.encode(RangeResponse.create({ count: value.length })));
    };
    const client = await connectClient(t, world);
    client.socket.setNoDelay(true);
    client.socket.write(handshake("/v3/kv/put"));
    for (let at = 0; at < bytes.length; at += size) {
      client.socket.write(bytes.subarray(at, at + size));
    }
    const all = await client.closed;
    assert.ok(all.includes(serverFrame(Opcode.PONG, "are you there").toString("latin1")));
    assert.equal(world.service.unaryCalls.length, 1, `chunks of ${size}`);
    assert.ok(all.endsWith(closeFrame(1000)));
  }
});

test("breaches of the protocol are refused with the close code of the RFC", async (t) => {
  const text = (payload: string, options?: FrameOptions) =>
    clientFrame(Opcode.TEXT, payload, options);
  const table: [string, Buffer, number][] = [
    ["unmasked", text("a", { masked: false, length: 1 }), 1002],
    ["reserved bit", text("a", { reserved: 0x40 }), 1002],
    ["unknown opcode", clientFrame(3, "a"), 1002],
    ["continuation first", clientFrame(Opcode.CONTINUATION, "a"), 1002],
    ["message in message", Buffer.concat([text("a", { final: false }), text("b")]), 1002],
    ["fragmented ping", clientFrame(Opcode.PING, "a", { final: false }), 1002],
    ["long ping", clientFrame(Opcode.PING, "a".repeat(126)), 1002],
    ["half a close code", clientFrame(Opcode.CLOSE, "a"), 1002],
    ["reserved close code", clientFrame(Opcode.CLOSE, Buffer.from([0x03, 0xed])), 1002],
    ["bad UTF-8", clientFrame(Opcode.TEXT, Buffer.from([0xff])), 1007],
    ["absurdly long", text("", { length: 2 ** 40 }), 1009],
    [
      "too long in fragments",
      Buffer.concat([
        text("a".repeat(600), { final: false }),
        clientFrame(Opcode.CONTINUATION, "", { length: 9_000_000 }),
      ]),
      1009,
    ],
    [
      "fragments without end",
      Buffer.concat([
        text("", { final: false }),
        ...Array(1100).fill(clientFrame(Opcode.CONTINUATION, "", { final: false })),
      ]),
      1008,
    ],
  ];
  for (const [name, bytes, closeCode] of table) {
    const world = new GatewayWorld();
    const client = await connectClient(t, world);
    client.socket.write(handshake("/v3/watch"));
    client.socket.write(bytes);
    assert.ok((await client.closed).endsWith(closeFrame(closeCode)), name);
  }
});

test("a unary method over WebSocket answers the first message and closes", async (t) => {
  const world = new GatewayWorld();
  world.service.onUnary = (call) => {
    assert.equal(call.metadata("authorization"), "Bearer tok.1");
    call.reply(RangeResponse.encode(RangeResponse.create({ count: 7 })));
  };
  const client = await connectClient(t, world);
  client.socket.write(handshake("/v3/kv/range", ["Sec-WebSocket-Protocol: Bearer, tok.1"]));
  client.socket.write(clientFrame(Opcode.TEXT, '{"key":"Zm9v"}'));
  const all = await client.closed;
  assert.match(all, /\r\nSec-WebSocket-Protocol: Bearer\r\n/);
  const answer = serverFrame(Opcode.TEXT, '{"count":"7"}');
  assert.ok(all.endsWith(answer.toString("latin1") + closeFrame(1000)));
});

test("a token may come in a cookie", async (t) => {
  const world = new GatewayWorld();
  const tokens: (string | undefined)[] = [];
  world.service.onUnary = (call) => {
    tokens.push(call.metadata("authorization"));
    call.fail(3, "no");
  };
  const client = await connectClient(t, world);
  client.socket.write(handshake("/v3/kv/range", ["Cookie: a=b; token=tok.2"]));
  client.socket.write(clientFrame(Opcode.TEXT, "{}"));
  const all = await client.closed;
  assert.match(all, /\{"code":3,"message":"no"\}/);
  assert.deepEqual(tokens, ["Bearer tok.2"]);
});

test("a message beyond the limit closes the connection and cancels the call", async (t) => {
  const world = new GatewayWorld();
  const client = await connectClient(t, world);
  client.socket.write(handshake("/v3/watch"));
  await client.until("\r\n\r\n");
  client.socket.write(clientFrame(Opcode.TEXT, "", { length: 100_000_000 }));
  assert.ok((await client.closed).endsWith(closeFrame(1009)));
  assert.equal(world.service.streamCalls[0]?.cancelled, true);
});

test("malformed JSON over WebSocket is told and closes", async (t) => {
  const world = new GatewayWorld();
  const client = await connectClient(t, world);
  client.socket.write(handshake("/v3/watch"));
  client.socket.write(clientFrame(Opcode.TEXT, "{]"));
  assert.match(await client.closed, /\{"error":\{"code":3,"message":"Failed to decode request: /);
});

test("upgrades that may not be are left to plain HTTP", async (t) => {
  const table: [string, readonly string[], Partial<HttpHandlerDeps>][] = [
    ["/v3/watch", ["Host: evil.test"], { hostWhitelist: ["ok.test"] }],
    ["/v3/watch", ["Origin: http://evil.test"], { cors: ["http://a.test"] }],
    ["/version", [], {}],
    ["/v3/watch", [], { service: undefined }],
  ];
  for (const [path, headers, options] of table) {
    const world = new GatewayWorld(options);
    const client = await connectClient(t, world);
    client.socket.write(handshake(path, headers));
    assert.equal(await client.closed, "a plain request");
    assert.equal(world.service.streamCalls.length, 0);
  }
});

test("a handshake that is wrong is refused, and its body is no request", async (t) => {
  const post = await connectClient(t, new GatewayWorld());
  post.socket.write(handshake("/v3/kv/put", ["Content-Length: 2"]).replace("GET", "POST"));
  assert.match(await post.closed, /^HTTP\/1\.1 405 Method Not Allowed\r\n/);
  const client = await connectClient(t, new GatewayWorld());
  client.socket.write(handshake("/v3/watch").replace("Version: 13", "Version: 8"));
  assert.match(
    await client.closed,
    /^HTTP\/1\.1 400 Bad Request\r\nsec-websocket-version: 13\r\n[\s\S]*\r\n\r\nBad Request\n$/,
  );
});
