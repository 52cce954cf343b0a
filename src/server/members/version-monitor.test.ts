/** What the leader does about versions, by what the other members say that they run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DowngradeInfoSetRequest } from "../../api/gen/membership.ts";
import { MemoryLogger, VirtualClock } from "../../env/testing/index.ts";
import { RaftField } from "../log/raft-request.ts";
import { VersionMonitor, type VersionMonitorOptions } from "./version-monitor.ts";

function world(cluster: Partial<VersionMonitorOptions["cluster"]>) {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  const state = {
    leads: true,
    others: ["3.6.1", "3.6.2"] as (string | undefined)[],
    storage: "3.6.0",
    hasSnapshot: false,
  };
  const proposed: { readonly field: number; readonly body: Uint8Array }[] = [];
  const versions: string[] = [];
  const monitor = new VersionMonitor({
    clock,
    logger,
    cluster: {
      version: undefined,
      localID: 0xan,
      downgrade: { enabled: false, targetVersion: "" },
      ...cluster,
    },
    downgradeCheckIntervalMs: 5000,
    isLeader: () => state.leads,
    askOthers: async () => state.others.map((server, i) => ({ id: BigInt(i), server })),
    propose: async (field, body) => {
      proposed.push({ field, body });
    },
    versionRequest: (version) => {
      versions.push(version);
      return { field: RaftField.clusterVersionSet, body: new Uint8Array(0), api: "v3" };
    },
    storageVersion: () => state.storage,
    setStorageVersion: (version) => {
      state.storage = version;
    },
    logBeginsWith: () => state.hasSnapshot,
  });
  monitor.start();
  const pass = async (ms: number) => {
    clock.advance(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { monitor, logger, state, proposed, versions, pass };
}

test("the leader alone decides, by the lowest version that it heard", async () => {
  const w = world({ version: "3.4.0" });
  w.state.others = ["3.5.9", "3.9.0"];
  w.state.leads = false;
  await w.pass(4000);
  assert.deepEqual(w.versions, []);
  w.state.leads = true;
  await w.pass(4000);
  assert.deepEqual(w.versions, ["3.5.0"]);
  assert.ok(w.logger.messages().includes("leader found higher-versioned member"));
  w.state.others = [undefined, "3.6.1"];
  await w.pass(4000);
  assert.deepEqual(w.versions, ["3.5.0"], "somebody did not answer");
});

test("the leader ends a downgrade once every member runs the target", async () => {
  const w = world({ version: "3.6.0", downgrade: { enabled: true, targetVersion: "3.6.0" } });
  w.state.others = ["3.6.1", "3.7.0"];
  await w.pass(5000);
  const stranger = w.logger.lines.find(({ message }) => /mismatching etcd version/.test(message));
  assert.deepEqual(stranger?.fields, {
    "remote-member-id": "1",
    "current-server-version": "3.7.0",
    "target-version": "3.6.0",
  });
  w.state.others = ["3.6.1", undefined];
  await w.pass(5000);
  assert.equal(w.proposed.length, 0);
  w.state.others = ["3.6.1", "3.6.2"];
  await w.pass(5000);
  assert.deepEqual(
    w.proposed.map(({ field }) => field),
    [RaftField.downgradeInfoSet],
  );
  const { enabled } = DowngradeInfoSetRequest.decode(w.proposed[0]?.body ?? new Uint8Array(0));
  assert.equal(enabled, false);
});

test("the db gives up its version only when the log cannot speak of the higher one", async () => {
  const w = world({ version: "3.5.0", downgrade: { enabled: true, targetVersion: "3.5.0" } });
  await w.pass(4000);
  assert.equal(w.state.storage, "3.6.0");
  w.state.hasSnapshot = true;
  await w.pass(4000);
  assert.equal(w.state.storage, "3.5.0");
});

test("a leader that still runs the higher version says so at each check, and asks nobody", async () => {
  const w = world({ version: "3.5.0", downgrade: { enabled: true, targetVersion: "3.5.0" } });
  await w.pass(5000);
  const told = w.logger.lines.filter(({ level }) => level === "warn");
  assert.deepEqual(
    told.map(({ message, fields }) => [message, fields]),
    [
      [
        "remotes server has mismatching etcd version",
        {
          "remote-member-id": "a",
          "current-server-version": "3.6.0",
          "target-version": "3.5.0",
        },
      ],
    ],
  );
  assert.equal(w.proposed.length, 0);
});
