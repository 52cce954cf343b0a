/** How the process of a removed member ends, while it serves and when it is started again. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EtcdClient } from "../client/index.ts";
import { EtcdProcess } from "./testing/etcd-process.ts";
import { freePorts } from "../base/testing/free-ports.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-removed-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

test("a removal ends it with 0; a removed member does not start, which is 1", async () => {
  const [clientA = 0, peerA = 0, clientB = 0, peerB = 0] = await freePorts(4);
  const cluster = `a=http://127.0.0.1:${peerA},b=http://127.0.0.1:${peerB}`;
  const start = (name: string, clientPort: number, peerPort: number): EtcdProcess =>
    new EtcdProcess({
      ...{ dataDirectory: join(scratch, name), clientPort, peerPort },
      flags: ["--name", name, "--initial-cluster", cluster, "--strict-reconfig-check=false"],
    });
  const stays = start("a", clientA, peerA);
  const goes = start("b", clientB, peerB);
  try {
    await Promise.all([stays.serving(), goes.serving()]);
    await using client = new EtcdClient({ endpoints: `http://127.0.0.1:${clientA}` });
    const { members } = await client.cluster.memberList();
    const id = members.find(({ name }) => name === "b")?.ID;
    assert.ok(id !== undefined);
    await client.cluster.memberRemove(id);
    assert.equal(await goes.exit(), 0);
    const again = start("b", clientB, peerB);
    assert.equal(await again.exit(), 1);
    assert.match(again.log, /permanently removed/);
    assert.doesNotMatch(again.log, /listener failed/);
  } finally {
    await stays.end("SIGKILL");
  }
});
