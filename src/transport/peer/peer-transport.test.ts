import assert from "node:assert/strict";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { MessageType } from "../../api/gen/raft.ts";
import { PeerRequestError } from "../../env/peers.ts";
import { VirtualClock } from "../../env/testing/index.ts";
import { append, connect, message, startMember, Watched } from "./testing/peer-world.ts";
import { PATIENCE_MS } from "../../base/testing/patience.ts";

const LIMIT = { timeout: PATIENCE_MS };

test(
  "every kind of message arrives as it was sent, in the order of its stream",
  LIMIT,
  async () => {
    await using a = await startMember(0xan);
    await using b = await startMember(0xbn);
    await connect(a, b);
    const others = Object.values(MessageType)
      .filter((type) => type !== MessageType.MsgApp && type !== MessageType.MsgSnap)
      .map((type) =>
        message({
          type,
          from: 0xan,
          to: 0xbn,
          term: 7,
          index: type,
          reject: type % 2 === 0,
          rejectHint: type,
          context: Buffer.from(`context ${type}`),
          entries: [{ type: 0, term: 0, index: 0, data: Buffer.from(`data ${type}`) }],
        }),
      );
    const appends = [
      append(0xan, 0xbn, 10, [5, 300_000]),
      append(0xan, 0xbn, 12, [1, 2]),
      append(0xan, 0xbn, 14, []),
      append(0xan, 0xbn, 14, [2_000_000]),
      append(0xan, 0xbn, 3, [9]),
    ];
    a.network.send([...appends, ...others]);
    const total = appends.length + others.length;
    await b.watched.until(() => b.node.received.length >= total);
    const isAppend = ({ type }: { type: number }) => type === MessageType.MsgApp;
    assert.deepEqual(b.node.received.filter(isAppend), appends);
    assert.deepEqual(
      b.node.received.filter((each) => !isAppend(each)),
      others,
    );
  },
);

test("before any stream is up, messages arrive as single requests", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using b = await startMember(0xbn);
  // B does not know A, so it will not dial A's streams.
  a.network.addPeer(0xbn, [b.url]);
  a.network.send([append(0xan, 0xbn, 1, [10])]);
  await b.watched.until(() => b.node.received.length === 1);
  assert.equal(b.node.received[0]?.entries[0]?.data.length, 10);
  // B has learnt A's address from the request, and can answer.
  b.network.send([message({ type: MessageType.MsgAppResp, from: 0xbn, to: 0xan, index: 2 })]);
  await a.watched.until(() => a.node.received.length === 1);
  assert.equal(a.node.received[0]?.index, 2);
});

test("questions are answered, and fail with a reason", LIMIT, async () => {
  await using a = await startMember(0xan);
  await using b = await startMember(0xbn);
  const ask = (url: string, limitBytes = 1_000) =>
    a.network.request({ url, method: "GET", path: "/raft/probing", timeoutMs: 5_000, limitBytes });
  const answer = await ask(b.url);
  assert.equal(answer.status, 200);
  assert.match(Buffer.from(answer.body).toString(), /^\{"OK":true,"Now":"[^"]+Z"\}\n$/);
  const code = (expected: string) => (error: unknown) =>
    error instanceof PeerRequestError && error.code === expected;
  await assert.rejects(ask(b.url, 5), code("tooLarge"));
  await assert.rejects(ask("http://127.0.0.1:1"), code("unreachable"));
  await assert.rejects(ask("gopher://x"), code("unreachable"));
});

/** Accepts connections and gives each request the next chunk whenever it is told to. */
async function trickler(chunks: readonly string[]) {
  const world = new Watched();
  const sockets: Socket[] = [];
  let closed = 0;
  let sent = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("close", () => {
      closed++;
      world.changed();
    });
    socket.once("data", () => {
      sockets.push(socket);
      world.changed();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked: () => world.until(() => sockets.length > 0),
    more: () => sockets[0]?.write(chunks[sent++] ?? "x"),
    ended: () => world.until(() => closed === 1),
    [Symbol.dispose]: () => void server.close(),
  };
}

test(
  "a question ends at its time limit, whether nothing comes or always a little",
  LIMIT,
  async () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    for (const chunks of [[], ["HTTP/1.1 ", "200 OK\r\n", "x: y"], [head, "a"]]) {
      const clock = new VirtualClock();
      await using a = await startMember(0xan, { clock });
      using peer = await trickler(chunks);
      const { url } = peer;
      const request = { url, method: "GET", path: "/members", timeoutMs: 7_000 } as const;
      let isSettled = false;
      const asked = a.network.request({ ...request, limitBytes: 10_000 }).finally(() => {
        isSettled = true;
      });
      const refused = assert.rejects(asked, { code: "timeout" });
      await peer.asked();
      for (let i = 0; i < 6; i++) {
        if (chunks.length > 0) peer.more();
        await clock.advanceAsync(1_000);
      }
      assert.equal(isSettled, false);
      await clock.advanceAsync(1_000);
      await refused;
      await peer.ended();
    }
  },
);
