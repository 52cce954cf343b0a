/**
 * The log of a member beside that of a reference etcd, from start to stop and again: what both
 * releases say has the same level and the same message, and lacks no field.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type EtcdKind, type LogLine, missing, startEtcd } from "./harness.ts";

/** What etcd 3.4 says otherwise than 3.6. */
const ONLY_BEFORE_36: readonly string[] = [
  // 3.6 names the API.
  "info setting up initial cluster version",
  // 3.6: "has already been".
  "info server has been already initialized",
];

/** 3.4 says so of a restarted member that is alone when it reads its log slowly. */
const SOMETIMES = "starting initial election tick advance";

/** Fields that 3.6 dropped. */
const DROPPED_FIELDS = new Set(["request-path"]);

async function linesOf(kind: EtcdKind): Promise<LogLine[]> {
  await using etcd = await startEtcd({ kind });
  await etcd.waitForLog("cluster version is updated");
  await etcd.stop();
  await etcd.start();
  await etcd.stop();
  return etcd.log.filter(({ level, msg }) => level !== undefined && msg !== SOMETIMES);
}

/** Level and message, without what differs from run to run. */
function keyOf({ level, msg }: LogLine): string {
  const text = msg
    .replace(/\b[0-9a-f]{13,16}\b/g, "ID")
    .replace(/voters=\(\d*\)/, "voters=()")
    .replace(/\[peers: .*\]/, "[]")
    .replace(/ at term \d+/, "");
  return `${level} ${text}`;
}

test(
  "what an earlier release logs of a start and a stop is logged here, too",
  {
    skip: missing("ours", "reference"),
  },
  async () => {
    const [theirs, ours] = await Promise.all([linesOf("reference"), linesOf("ours")]);
    const known = new Map(ours.map((line) => [keyOf(line), line]));
    const lacking: string[] = [];
    for (const line of theirs) {
      const own = known.get(keyOf(line));
      if (own !== undefined) {
        const fields = Object.keys(line).filter(
          (name) => !(name in own) && !DROPPED_FIELDS.has(name),
        );
        if (fields.length > 0) lacking.push(`${keyOf(line)}: ${fields.join(",")}`);
      } else lacking.push(keyOf(line));
    }
    assert.deepEqual([...new Set(lacking)].sort(), [...ONLY_BEFORE_36].sort());
  },
);
