/** What the proxies promise: they know who calls, and cut one direction without the other. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { test } from "node:test";
import { Links } from "./links.ts";
import { MemberProxy } from "./proxy.ts";

const NAMES = new Map([
  ["a1", "m1"],
  ["b2", "m2"],
]);

interface World extends AsyncDisposable {
  readonly links: Links;
  /** A connection to m0 as the member with this ID, and what m0 has of it. */
  call(id: string): Promise<{ readonly caller: Reader; readonly callee: Reader }>;
}

/** Collects text and waits for it. */
class Reader {
  readonly socket: Socket;
  text = "";
  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1").on("data", (text: string) => {
      this.text += text;
    });
  }
  async until(part: string): Promise<void> {
    while (!this.text.includes(part)) await once(this.socket, "data");
  }
}

async function world(): Promise<World> {
  const accepted: ((socket: Socket) => void)[] = [];
  const server: Server = createServer((socket) => accepted.shift()?.(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const links = new Links();
  const proxy = new MemberProxy(links, "m0", (id) => NAMES.get(id));
  const port = await proxy.listen("peers", 0, (server.address() as AddressInfo).port);
  return {
    links,
    async call(id) {
      const callee = new Promise<Socket>((resolve) => accepted.push(resolve));
      const caller = new Reader(connect(port, "127.0.0.1"));
      // In two pieces, cut in the middle of the header's name.
      caller.socket.write("GET /raft/stream/message/0 HTTP/1.1\r\nX-Serv");
      const there = new Reader(await callee);
      await there.until("X-Serv");
      caller.socket.write(`er-From: ${id}\r\n\r\n`);
      await there.until("\r\n\r\n");
      return { caller, callee: there };
    },
    async [Symbol.asyncDispose]() {
      await proxy.close();
      server.close();
    },
  };
}

test("one direction of one pair is silent while it is cut, and catches up when it heals", async () => {
  await using etcd = await world();
  const m1 = await etcd.call("a1");
  const m2 = await etcd.call("b2");
  etcd.links.set("m0", "m1", { isCut: true });
  m1.callee.socket.write("lost?");
  m1.caller.socket.write("to m0");
  m2.callee.socket.write("to m2");
  await m1.callee.until("to m0");
  await m2.caller.until("to m2");
  // A second way around shows that the first message had its time.
  m1.caller.socket.write("again");
  await m1.callee.until("again");
  assert.equal(m1.caller.text, "");
  etcd.links.heal();
  await m1.caller.until("lost?");
});

test("dropped connections end for both sides, those of others stay", async () => {
  await using etcd = await world();
  const m1 = await etcd.call("a1");
  const m2 = await etcd.call("b2");
  const ended = [once(m1.caller.socket, "close"), once(m1.callee.socket, "close")];
  assert.ok(etcd.links.dropConnections((from, to) => from === "m1" || to === "m1") > 0);
  await Promise.all(ended);
  m2.callee.socket.write("still here");
  await m2.caller.until("still here");
});

test("a caller that dies behind a cut is noticed only when the cut heals", async () => {
  await using etcd = await world();
  const { caller, callee } = await etcd.call("a1");
  etcd.links.set("m1", "m0", { isCut: true });
  caller.socket.destroy();
  await once(caller.socket, "close");
  assert.equal(callee.socket.destroyed, false);
  const noticed = once(callee.socket, "close");
  callee.socket.on("error", () => undefined);
  etcd.links.heal();
  await noticed;
});
