/**
 * What costs more to read than it brings has a budget, and a connection that sends without pause
 * has turns. Ten such connections once made an eleventh wait for all that they had sent.
 */
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import { REQUEST_COST, TURN_COST } from "../limits.ts";
import { type Listener, listen } from "../listener.ts";
import { CoreHarness } from "../testing/core-harness.ts";
import { ECHO_METHODS, EchoService, SILENT_LOGGER, SystemClock } from "../testing/echo-service.ts";
import {
  call,
  data,
  END_STREAM,
  grpcHead,
  HELLO,
  headers,
  message,
  windowUpdate,
} from "../testing/raw-frames.ts";

const open: { stop(): unknown }[] = [];
after(async () => {
  for (const item of open) await item.stop();
});

test("calls that the server refuses itself have a budget, which comes back with time", () => {
  const harness = new CoreHarness();
  const refused = (i: number): Uint8Array =>
    headers(2 * i + 1, grpcHead("Nothing"), 4 | END_STREAM);
  for (let i = 0; i < 2_000; i++) harness.feed(refused(i));
  assert.equal(harness.ended, "");
  harness.advance(10_000);
  for (let i = 2_000; i < 4_000; i++) harness.feed(refused(i));
  assert.equal(harness.ended, "");
  harness.feed(refused(4_000));
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too many refused calls");
});

test("DATA frames of a byte have a budget, those of whole messages have none", () => {
  const harness = new CoreHarness();
  harness.feed(headers(1, grpcHead("Bidi")), headers(3, grpcHead("Echo")));
  for (let i = 0; i < 20_000; i++) harness.feed(data(1, message("")));
  assert.equal(harness.ended, "");
  harness.feed(data(3, message("x".repeat(5_000)).subarray(0, 5)));
  let sent = 0;
  for (; sent < 5_000 && harness.ended === ""; sent++) harness.feed(data(3, "x"));
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too many small DATA frames");
  assert.equal(sent, 1_001);
});

test("WINDOW_UPDATEs of 1 have a budget, as answers to DATA they have none", () => {
  const harness = new CoreHarness();
  for (let i = 0; i < 5_000; i++) {
    harness.feed(call(2 * i + 1, "x"));
    harness.feed(windowUpdate(0, 6));
  }
  for (let i = 0; i < 5_000; i++) harness.feed(windowUpdate(0, 2_000));
  assert.equal(harness.ended, "");
  let sent = 0;
  for (; sent < 20_000 && harness.ended === ""; sent++) harness.feed(windowUpdate(0, 1));
  assert.equal(harness.ended, "ENHANCE_YOUR_CALM: too many small WINDOW_UPDATEs");
  // One is gone: the last answer's update.
  assert.equal(sent, 1_000);
});

const connected = (port: number): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket));
    socket.on("error", () => {});
    open.push({ stop: () => socket.destroy() });
  });

test("many requests in one packet come to the service in turns, all of them, in order", async () => {
  const service = new EchoService();
  const bodies: string[] = [];
  const { unary } = service;
  service.unary = (calls) => {
    for (const each of calls) bodies.push(Buffer.from(each.body).toString());
    unary.call(service, calls);
  };
  const listener: Listener = await listen(
    { host: "127.0.0.1", port: 0 },
    { service, methods: ECHO_METHODS, clock: new SystemClock(), logger: SILENT_LOGGER },
  );
  open.push({ stop: () => listener.stop(0) });
  const socket = await connected("port" in listener.address ? listener.address.port : 0);
  const expected = Array.from({ length: 3_000 }, (_, i) => String(i));
  const requests = expected.map((text, i) => call(2 * i + 1, text));
  socket.write(Buffer.concat([HELLO, ...requests]));
  socket.resume();
  while (bodies.length < expected.length) await new Promise(setImmediate);
  assert.deepEqual(bodies, expected);
  assert.ok(Math.max(...service.batches) <= TURN_COST / REQUEST_COST);
});

test("pipelined requests of HTTP/1.1 are served one by one, and others in between", async () => {
  const order: string[] = [];
  let running = 0;
  const listener: Listener = await listen(
    { host: "127.0.0.1", port: 0 },
    {
      http: {
        handle(request, response) {
          order.push(request.path);
          running += 1;
          assert.equal(running, request.path === "/other" ? running : 1);
          request.readBody(10).then(
            () => {
              running -= 1;
              response.end(`<${request.path}>`);
            },
            () => response.abort(),
          );
        },
      },
      methods: [],
      clock: new SystemClock(),
      logger: SILENT_LOGGER,
    },
  );
  open.push({ stop: () => listener.stop(0) });
  const port = "port" in listener.address ? listener.address.port : 0;
  const [busy, other] = [await connected(port), await connected(port)];
  const head = (path: string): string =>
    `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx`;
  const paths = Array.from({ length: 1_000 }, (_, i) => `/${i}`);
  let received = "";
  busy.on("data", (chunk) => {
    received += chunk;
  });
  busy.write(paths.map(head).join(""));
  while (order.length === 0) await new Promise(setImmediate);
  other.resume().write(head("/other"));
  while (!received.includes("</999>")) await new Promise(setImmediate);
  assert.deepEqual(
    order.filter((path) => path !== "/other"),
    paths,
  );
  assert.ok(
    order.indexOf("/other") < 900,
    "before the other connection's requests were all served",
  );
  assert.deepEqual(received.match(/(?<=<)\/\d+(?=>)/g), paths);
});
