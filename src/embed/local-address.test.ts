/** The gate `SetMemberLocalAddr`: which own address a member dials from, and that it does. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { parseEtcdUrl } from "../base/etcd-url.ts";
import { MemoryLogger } from "../env/testing/index.ts";
import { dialPeer } from "../transport/peer/peer-http.ts";
import { createConfig } from "./index.ts";
import { memberLocalAddress } from "./local-address.ts";

function chosen(isOn: boolean, urls: readonly string[]) {
  const logger = new MemoryLogger();
  const config = createConfig({
    featureGates: { SetMemberLocalAddr: isOn },
    initialAdvertisePeerUrls: urls,
    initialCluster: `default=${urls.join(",default=")}`,
  });
  return { address: memberLocalAddress(config, logger), messages: logger.messages() };
}

test("it is the first advertised address that others could reach", () => {
  const urls = ["http://localhost:1", "http://127.0.0.1:1", "http://0.0.0.0:1", "http://[::1]:1"];
  const some = chosen(true, [...urls, "http://etcd1:1", "http://10.1.2.3:1", "http://10.1.2.4:1"]);
  assert.equal(some.address, "10.1.2.3");
  assert.ok(some.messages.includes("setting member local address"));
  assert.equal(chosen(true, ["http://[fd00::7]:1"]).address, "fd00::7");
  const none = chosen(true, urls);
  assert.equal(none.address, undefined);
  assert.ok(
    none.messages.includes(
      "unable to set a member local address due to lack of suitable local addresses",
    ),
  );
  assert.deepEqual(chosen(false, ["http://10.1.2.3:1"]), {
    address: undefined,
    messages: [],
  });
});

test(
  "other members see that address",
  { skip: process.platform === "linux" ? false : "only Linux has all of 127.0.0.0/8" },
  async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const socket = dialPeer(parseEtcdUrl(`http://127.0.0.1:${port}`), {
      localAddress: "127.0.0.9",
    });
    const [accepted] = (await once(server, "connection")) as [Socket];
    assert.equal(accepted.remoteAddress, "127.0.0.9");
    accepted.destroy();
    socket.destroy();
    server.close();
  },
);
