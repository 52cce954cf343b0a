import assert from "node:assert/strict";
import { test } from "node:test";
import type { SrvNames } from "../discovery/srv-members.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { createConfig, type EtcdConfigInput } from "./config/index.ts";
import { findInitialCluster } from "./initial-cluster.ts";

/** One record of the secure service, that of the member itself. */
const NAMES: SrvNames = {
  services: async (name) => {
    if (!name.includes("-ssl")) throw new Error(`lookup ${name}: no such host`);
    return [{ target: "m.example.test.", port: 2380, priority: 0, weight: 0 }];
  },
  lookup: async () => "10.0.0.1",
};

function find(more: EtcdConfigInput) {
  const config = createConfig({
    name: "m",
    initialAdvertisePeerUrls: ["https://m.example.test:2380"],
    ...more,
  });
  return findInitialCluster(config, { names: NAMES, logger: new MemoryLogger() });
}

test("members found by DNS prove the domain, unless an authority of their own is given", async () => {
  const discoverySrv = "example.test";
  const plain = await find({ discoverySrv });
  assert.equal(plain.config.initialCluster, "m=https://m.example.test:2380");
  assert.equal(plain.peerServerName, "example.test");
  assert.equal((await find({ discoverySrv, peerTrustedCaFile: "ca.crt" })).peerServerName, "");
});

test("with a service the member is alone at first, and the token is the cluster's", async () => {
  const url = "http://10.0.0.10:2379/v2/keys/token";
  for (const [more, token] of [
    [{ discovery: url }, url],
    [{ discoveryToken: "blue", discoveryEndpoints: ["http://10.0.0.10:2379"] }, "blue"],
  ] as const) {
    const { config, peerServerName } = await find(more);
    assert.equal(config.initialCluster, "m=https://m.example.test:2380");
    assert.equal(config.initialClusterToken, token);
    assert.equal(peerServerName, "");
  }
});

test("no flag leaves the settings as they are, and a failure says what was set up", async () => {
  const { config } = await find({});
  assert.equal(config.initialCluster, "m=https://m.example.test:2380");
  assert.equal(config.initialClusterToken, "etcd-cluster");
  const advertised = ["https://m.example.test:2381"];
  await assert.rejects(
    find({ discoverySrv: "example.test", initialAdvertisePeerUrls: advertised }),
    {
      message: 'error setting up initial cluster: cannot find local etcd member "m" in SRV records',
    },
  );
});
