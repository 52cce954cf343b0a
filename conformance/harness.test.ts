import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { type EtcdKind, missing, startCluster, startEtcd, versionOf } from "./harness.ts";

const kinds: readonly EtcdKind[] = ["reference", "ours"];

for (const kind of kinds) {
  test(
    `${kind}: a member starts, serves, keeps its data over a kill, and stops`,
    {
      skip: missing(kind),
    },
    async () => {
      let dataDir: string;
      {
        await using etcd = await startEtcd({ kind });
        dataDir = etcd.dataDir;
        await etcd.call("/v3/kv/put", { key: "Zm9v", value: "YmFy" });
        const killed = await etcd.kill();
        assert.equal(killed.signal, "SIGKILL");
        assert.equal(etcd.running, false);
        await etcd.start();
        const range = await etcd.call("/v3/kv/range", { key: "Zm9v" });
        assert.equal((range.kvs as { value: string }[])[0]?.value, "YmFy");
        assert.ok(etcd.log.some((line) => line.level === "info"));
        const stopped = await etcd.stop();
        assert.deepEqual(stopped, { code: undefined, signal: "SIGTERM" });
        assert.ok(existsSync(dataDir));
      }
      assert.equal(existsSync(dataDir), false);
    },
  );

  test(
    `${kind}: a member that cannot start rejects with its log`,
    {
      skip: missing(kind),
    },
    async () => {
      await assert.rejects(
        startEtcd({ kind, flags: ["--initial-cluster=other=http://127.0.0.1:1"] }),
        /ended before it logged[\s\S]*couldn't find local name/,
      );
    },
  );
}

test("a cluster of reference members replicates", { skip: missing("reference") }, async () => {
  await using cluster = await startCluster(["reference", "reference", "reference"]);
  assert.equal(cluster.clientUrls.length, 3);
  const [first, , third] = cluster.members;
  await first?.call("/v3/kv/put", { key: "Zm9v", value: "YmFy" });
  assert.equal((await third?.call("/v3/kv/range", { key: "Zm9v" }))?.count, "1");
});

test("versions are told, or the absence of the binary", () => {
  for (const kind of kinds) {
    const reason = missing(kind);
    if (reason === false) assert.match(versionOf(kind) ?? "", /^\d+\.\d+\.\d+/);
    else assert.match(reason, /does not run$/);
  }
});
