/** A member too many for its v2 discovery token becomes a proxy, and stays one. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { EtcdProcess } from "./testing/etcd-process.ts";
import { freePorts } from "../base/testing/free-ports.ts";

const SERVING_AS_PROXY = "v2 proxy started listening on client requests";

async function start(
  t: TestContext,
  name: string,
  ports: readonly number[],
  flags: readonly string[],
): Promise<EtcdProcess> {
  const [clientPort = 0, peerPort = 0] = ports;
  const etcd = new EtcdProcess({ dataDirectory: name, clientPort, peerPort, flags });
  t.after(() => etcd.end("SIGKILL"));
  return etcd;
}

test("a member too many becomes a proxy of the others, and after a restart too", async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), "etcd-surplus-"));
  t.after(() => rmSync(scratch, { recursive: true, force: true }));
  const [service = [], first = [], surplus = []] = [
    await freePorts(2),
    await freePorts(2),
    await freePorts(2),
  ];
  const directory = await start(t, join(scratch, "service"), service, ["--enable-v2"]);
  await directory.serving();
  const token = `http://127.0.0.1:${service[0]}/v2/keys/discovery/token`;
  await fetch(`${token}/_config/size`, {
    method: "PUT",
    body: new URLSearchParams({ value: "1" }),
  });

  // Discovery says who the members are; the harness's own list must not.
  const discovered = ["--initial-cluster=", `--discovery=${token}`, "--enable-v2"];
  await (await start(t, join(scratch, "first"), first, discovered)).serving();
  const dataDirectory = join(scratch, "surplus");
  for (let round = 0; round < 2; round++) {
    const etcd = await start(t, dataDirectory, surplus, [...discovered, "--name=other"]);
    await etcd.logged(SERVING_AS_PROXY);
    const answer = await fetch(`http://127.0.0.1:${surplus[0]}/version`);
    assert.equal(answer.status, 200);
    assert.deepEqual(readdirSync(dataDirectory), ["proxy"]);
    const file = readFileSync(join(dataDirectory, "proxy", "cluster"), "utf8");
    assert.equal(file, `{"PeerURLs":["http://127.0.0.1:${first[1]}"]}`);
    await etcd.end("SIGTERM");
  }
});
