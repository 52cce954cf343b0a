/** Bodies in pieces over HTTP/1: their framing, byte for byte, and whom it is for. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import type { HttpHandler, HttpResponse } from "../../env/http.ts";
import { type Listener, listen } from "../listener.ts";
import { MAX_FRAMED_BYTES } from "../limits.ts";
import { SILENT_LOGGER, SystemClock } from "../testing/echo-service.ts";

const open: Listener[] = [];
after(async () => {
  for (const listener of open) await listener.stop(0);
});

async function serve(handle: (response: HttpResponse) => void): Promise<number> {
  const http: HttpHandler = { handle: (_request, response) => handle(response) };
  const listener = await listen(
    { host: "127.0.0.1", port: 0 },
    { http, methods: [], clock: new SystemClock(), logger: SILENT_LOGGER },
  );
  open.push(listener);
  return "port" in listener.address ? listener.address.port : 0;
}

/** Everything up to the end of the connection, behind the head. */
function bodyOf(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(request, "latin1"));
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      text += chunk;
    });
    socket.on("end", () => resolve(text.slice(text.indexOf("\r\n\r\n") + 4)));
    socket.on("error", reject);
  });
}

const large = "x".repeat(MAX_FRAMED_BYTES + 1);

function inPieces(response: HttpResponse): void {
  response.head(200, { connection: "close" });
  for (const piece of ["one", "", "seventeen letters", large, "end"]) {
    response.write(piece === "" ? "text" : Buffer.from(piece));
  }
  response.end("last");
}

test("pieces of a body are chunks, in order, whatever their size", async () => {
  const port = await serve(inPieces);
  const body = await bodyOf(port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
  const pieces = ["one", "text", "seventeen letters", large, "end", "last", ""];
  assert.equal(body, pieces.map(chunk).join(""));
});

test("HTTP/1.0 gets pieces without framing, HEAD gets none", async () => {
  const port = await serve(inPieces);
  const old = await bodyOf(port, "GET / HTTP/1.0\r\nHost: x\r\n\r\n");
  assert.equal(old, `onetextseventeen letters${large}endlast`);
  assert.equal(await bodyOf(port, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), "");
});

test("small pieces that a client does not take wait, and go on when it does", async () => {
  const piece = Buffer.alloc(MAX_FRAMED_BYTES, "p");
  let written = 0;
  let drains = 0;
  let held: () => void = () => {};
  const isHeld = new Promise<void>((resolve) => {
    held = resolve;
  });
  const port = await serve((response) => {
    response.head(200, { connection: "close" });
    const more = (): void => {
      while (response.write(piece)) written++;
      written++;
      held();
    };
    response.onDrain = () => {
      drains++;
      if (drains < 3) more();
      else response.end();
    };
    more();
  });
  const socket = connect(port, "127.0.0.1", () =>
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  );
  socket.pause();
  await isHeld;
  let bytes = 0;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.filter((byte) => byte === 0x70).length;
  });
  socket.resume();
  await new Promise((resolve) => socket.on("end", resolve));
  assert.equal(drains, 3, "once for each time that it waited");
  assert.equal(bytes, written * piece.length);
});
