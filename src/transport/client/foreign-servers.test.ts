/** What other servers send to our client, as raw frames: pings, resets, GOAWAY, and why calls end. */
import assert from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { duplexPair, type Duplex } from "node:stream";
import { test } from "node:test";
import { Http2Connection } from "../http2/connection.ts";
import type { ConnectionHost } from "../http2/connection-host.ts";
import { PREFACE } from "../http2/constants.ts";
import { HeaderTemplate } from "../http2/hpack-encoder.ts";
import { IGNORE_STREAM } from "../http2/stream.ts";
import {
  block,
  data,
  END_HEADERS,
  END_STREAM,
  type Frame,
  FrameParser,
  frame,
  headers,
  message,
  ping,
  rst,
  SETTINGS_ACK,
  settings,
  uint32,
  windowUpdate,
} from "../testing/raw-frames.ts";
import { ClientConnection } from "./connection.ts";
import { RpcError } from "./rpc-error.ts";

const REFUSAL = block({
  ":status": "200",
  "content-type": "application/grpc",
  "grpc-status": "5",
  "grpc-message": "member not found",
});
const refuse = (id: number): Buffer => headers(id, REFUSAL, END_HEADERS | END_STREAM);

const goaway = (lastId: number, code: number, debug = ""): Buffer =>
  frame(7, 0, 0, Buffer.concat([uint32(lastId), uint32(code), Buffer.from(debug)]));

let nowMs = 0;
/** Stands still unless a test moves it: no budget refills meanwhile. */
const CLOCK = {
  nowMs: () => nowMs,
  wallMs: () => 0,
  setTimer: () => ({ cancel: () => undefined }),
};

/** A server made of `onFrame`, which gets every frame of the client, and the connection to it. */
function withServer(onFrame: (frame: Frame, socket: Duplex) => void): ClientConnection {
  const [ours, theirs] = duplexPair();
  const parser = new FrameParser();
  let skip = PREFACE.length;
  theirs.on("error", () => undefined);
  theirs.on("data", (chunk: Buffer) => {
    const bytes = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - bytes.length;
    for (const each of parser.push(bytes)) onFrame(each, theirs);
  });
  theirs.write(Buffer.concat([settings(), SETTINGS_ACK]));
  return new ClientConnection(ours, "a", false, { clock: CLOCK });
}

const isEnd = ({ type, flags }: Frame): boolean => type === 0 && (flags & END_STREAM) !== 0;

async function failure(call: Promise<unknown>): Promise<RpcError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RpcError);
  return error;
}

const echo = (connection: ClientConnection): Promise<RpcError> =>
  failure(connection.unary("/test.Echo/Echo", Buffer.from("x")));

test("a server that pings at every request, to measure the round trip, and resets what it has answered, keeps its connection", async () => {
  const connection = withServer((each, socket) => {
    if (!isEnd(each)) return;
    const { id, payload } = each;
    const frames = [windowUpdate(0, payload.length), ping(), refuse(id), rst(id, 0)];
    socket.write(Buffer.concat(frames));
  });
  await connection.ready();
  for (let i = 0; i < 12_000; i++) {
    const error = await echo(connection);
    assert.equal(error.message, "member not found");
  }
  assert.equal(connection.closing, false);
  connection.close();
});

test("a server that pings without end and for no reason is left, and its calls say why", async () => {
  const flood = Buffer.concat(Array.from({ length: 1_000 }, () => ping()));
  let pongs = 0;
  const connection = withServer((each, socket) => {
    if (each.type === 6) pongs++;
    // Not from within the event: the two ends of a pair would call each other.
    if (isEnd(each) || (each.type === 6 && pongs % 1_000 === 0)) {
      setImmediate(() => socket.write(flood));
    }
  });
  await connection.ready();
  const error = await echo(connection);
  assert.equal(error.code, 14);
  assert.equal(error.message, "connection error: ENHANCE_YOUR_CALM: too many ignored frames");
});

test("thousands of calls cancelled at once, whose answers still come, cost no connection", async () => {
  const ids: number[] = [];
  const connection = withServer((each, socket) => {
    if (!isEnd(each)) return;
    if (ids.length === CALLS) {
      const late = ids.flatMap((id) => [...ANSWER_HEAD(id), refuse(id)]);
      socket.write(Buffer.concat([...late, refuse(each.id)]));
    } else if (ids.push(each.id) === CALLS) {
      cancelling.abort();
    }
  });
  const CALLS = 3_000;
  const ANSWER_HEAD = (id: number): Buffer[] => [
    headers(id, block({ ":status": "200", "content-type": "application/grpc" })),
    data(id, message("late")),
  ];
  const cancelling = new AbortController();
  setMaxListeners(0, cancelling.signal);
  await connection.ready();
  const { signal } = cancelling;
  const calls = Array.from({ length: CALLS }, () =>
    connection.unary("/test.Echo/Echo", Buffer.from("x"), { signal }),
  );
  for (const each of await Promise.allSettled(calls)) assert.equal(each.status, "rejected");
  assert.equal((await echo(connection)).message, "member not found");
  assert.equal(connection.closing, false);
  connection.close();
});

test("a server's CANCEL is the deadline when that has passed, and a cancellation before", async () => {
  const connection = withServer((each, socket) => {
    if (!isEnd(each)) return;
    nowMs += 10;
    socket.write(rst(each.id, 8));
  });
  await connection.ready();
  const call = (timeoutMs: number): Promise<RpcError> =>
    failure(
      connection.unary("/test.Echo/Echo", Buffer.from("x"), { deadlineMs: nowMs + timeoutMs }),
    );
  assert.equal((await call(10)).code, 4);
  assert.equal((await call(11)).code, 1);
  connection.close();
});

test("GOAWAY: what the server never processed may be sent again, and errors tell its words", async () => {
  const connection = withServer((each, socket) => {
    if (isEnd(each) && each.id === 3) socket.write(goaway(1, 11, "too_many_pings"));
  });
  await connection.ready();
  const first = echo(connection);
  const second = await echo(connection);
  const text =
    'connection closed, received prior goaway: code: ENHANCE_YOUR_CALM, debug data: "too_many_pings"';
  assert.equal(second.code, 14);
  assert.equal(second.unprocessed, true);
  assert.equal(second.message, text);
  assert.equal(connection.closing, true);
  connection.http2.socketClosed();
  const open = await first;
  assert.equal(open.code, 14);
  assert.equal(open.unprocessed, false);
  assert.equal(open.message, text);
});

test("GOAWAY that names no stream: the only call was never processed either", async () => {
  const connection = withServer((each, socket) => {
    if (isEnd(each)) socket.write(goaway(0, 0));
  });
  await connection.ready();
  const error = await echo(connection);
  assert.equal(error.unprocessed, true);
  assert.match(error.message, /received prior goaway: code: NO_ERROR, debug data: ""$/);
});

test("a connection whose stream ids are used up takes no more calls and ends after the last", () => {
  let finished = "";
  const host: ConnectionHost = {
    wantFlush: () => undefined,
    flushNow: () => undefined,
    onRequest: () => IGNORE_STREAM,
    onFinished: (_code, reason) => {
      finished = reason;
    },
    onGoaway: () => undefined,
    onSettings: () => undefined,
    onFinalGoaway: () => undefined,
    onStreamGone: () => undefined,
  };
  const connection = new Http2Connection(host, {
    isServer: false,
    nowMs: 0,
    maxConcurrentStreams: 0,
    keepaliveMinTimeMs: 0,
    keepaliveIntervalMs: Number.POSITIVE_INFINITY,
    keepaliveTimeoutMs: 0,
    firstStreamId: 0x7fff_fffd,
  });
  connection.receive(settings());
  const head = new HeaderTemplate([]);
  const open = () => connection.openStream(IGNORE_STREAM, head, undefined);
  const last = [open(), open()].map((stream) => {
    assert.ok(stream);
    return stream;
  });
  assert.equal(connection.closing, false);
  assert.equal(open(), undefined);
  assert.equal(connection.closing, true);
  for (const stream of last) {
    assert.equal(finished, "");
    connection.resetStream(stream, 8);
  }
  assert.equal(finished, "drained");
});
