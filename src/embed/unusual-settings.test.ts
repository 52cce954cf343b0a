/** What the log says of settings that are unusual, or not taken as they were given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryLogger } from "../env/testing/index.ts";
import { createConfig, type EtcdConfig } from "./index.ts";
import { serverOptionsOf } from "./server-options.ts";
import { logUnusual } from "./start-lines.ts";

function toldOf(settings: Partial<EtcdConfig>): unknown[] {
  const config = createConfig(settings);
  const logger = new MemoryLogger();
  logUnusual(logger, config, serverOptionsOf(config));
  return logger.lines.map(({ level, message, fields }) => [level, message, fields]);
}

test("nothing is said of defaults", () => {
  assert.deepEqual(toldOf({}), []);
});

test("no entries for followers to catch up by mean the default", () => {
  const options = serverOptionsOf(createConfig({ snapshotCount: 0, snapshotCatchupEntries: 0 }));
  assert.deepEqual([options.snapshotCount, options.catchUpEntries], [10_000, 5000]);
});

test("what deviates from etcd's advice is told in etcd's words", () => {
  const settings = {
    maxRequestBytes: 20_000_000,
    backendBatchLimit: 100,
    backendBatchIntervalMs: 50,
    watchProgressNotifyIntervalMs: 10,
  };
  assert.deepEqual(toldOf(settings), [
    [
      "warn",
      "exceeded recommended request limit",
      {
        "max-request-bytes": 20_000_000,
        "max-request-size": "20 MB",
        "recommended-request-bytes": 10_485_760,
        "recommended-request-size": "10 MB",
      },
    ],
    ["info", "setting backend batch limit", { "batch limit": 100 }],
    ["info", "setting backend batch interval", { "batch interval": "50ms" }],
    [
      "warn",
      "adjusting watch progress notify interval to minimum period",
      { "min-watch-progress-notify-interval": "100ms" },
    ],
  ]);
});
