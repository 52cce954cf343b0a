import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { freePort, freePortRow, freePorts } from "./free-ports.ts";

const COUNT = 60;

if (process.send === undefined || process.argv[2] !== "child") {
  test("no port is given twice, whoever asks, and nobody listens on one", async () => {
    const children = [1, 2, 3].map(() => fork(fileURLToPath(import.meta.url), ["child"]));
    const [own, ...theirs] = await Promise.all([
      freePorts(COUNT),
      ...children.map(async (child) => (await once(child, "message"))[0] as number[]),
    ]);
    for (const child of children) child.disconnect();
    const row = await freePortRow(3, 10);
    const members = [0, 1, 10, 11, 20, 21].map((offset) => row + offset);
    const all = [own, ...theirs, members].flat();
    assert.equal(new Set(all).size, 4 * COUNT + members.length);
    for (const port of [...own, ...members]) {
      const [error] = await once(connect(port, "127.0.0.1"), "error");
      assert.equal((error as NodeJS.ErrnoException).code, "ECONNREFUSED");
    }
  });

  test("the system gives none of them to a server that asks for any port", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    server.close();
    assert.ok((await freePort()) < Math.min(port, 32_768));
  });
  test("a row that no block has room for is refused", async () => {
    await assert.rejects(freePortRow(4, 10), /no block has room/);
  });
} else {
  // Until the parent is done: ports belong to a process as long as it lives.
  process.channel?.ref();
  process.send(await freePorts(COUNT));
}
