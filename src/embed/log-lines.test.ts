/**
 * The log of a member from its start to its stop, line by line: level, message, names of fields.
 * People search and alert by these words, which are etcd's.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type LogLine, MemoryLogger } from "../env/testing/index.ts";
import { within } from "./e2e/wait.ts";
import { createConfig, startEtcd } from "./index.ts";

const scratch = mkdtempSync(join(tmpdir(), "etcd-log-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const ANY_PORT = ["http://127.0.0.1:0"];

/** The log of one run; `until` is a message that comes after the member serves. */
async function logOfRun(until: string): Promise<readonly LogLine[]> {
  const config = createConfig({
    name: "logged",
    dataDir: join(scratch, "data"),
    listenClientUrls: ANY_PORT,
    listenPeerUrls: ANY_PORT,
  });
  let seen = (): void => {};
  const isSeen = new Promise<void>((resolve) => {
    seen = resolve;
  });
  const lines: LogLine[] = [];
  const push = lines.push.bind(lines);
  lines.push = (...more) => {
    if (more.some(({ message }) => message === until)) seen();
    return push(...more);
  };
  const etcd = await startEtcd(config, { logger: new MemoryLogger(lines) });
  await within(etcd.ready, "the member to be ready");
  await within(isSeen, until);
  await etcd.stop();
  return lines;
}

const SLOW = ["trace[", "apply request took too long", "slow fdatasync", "waiting for ReadIndex"];

/** Without the lines of the core of raft, which the transcripts compare, and of level debug. */
function told(lines: readonly LogLine[]): string[] {
  return lines
    .filter(({ level, name, message }) => {
      // Only if the db was committed before its version is written: a matter of milliseconds.
      if (message === "cluster version differs from storage version.") return false;
      // Of what took longer than a machine at rest takes.
      if (SLOW.some((start) => message.startsWith(start))) return false;
      return level !== "debug" && (name !== "raft" || message.startsWith("raft.node"));
    })
    .map(({ level, message, fields }) => {
      const text = message.replace(/\b[0-9a-f]{13,16}\b/g, "ID");
      return `${level} ${text} ${Object.keys(fields).join(",")}`.trim();
    });
}

const LISTENING = [
  "info configuring peer listeners listen-peer-urls",
  "info configuring client listeners listen-client-urls",
];
const ADDRESSES =
  "initial-advertise-peer-urls,listen-peer-urls,advertise-client-urls,listen-client-urls,listen-metrics-urls";
const STARTING =
  "info starting an etcd server etcd-version,git-sha,go-version,go-os,go-arch,max-cpu-set," +
  "max-cpu-available,member-initialized,name,data-dir,wal-dir,wal-dir-dedicated,member-dir," +
  "force-new-cluster,heartbeat-interval,election-timeout,initial-election-tick-advance," +
  `snapshot-count,max-wals,max-snapshots,snapshot-catchup-entries,${ADDRESSES},` +
  "experimental-local-address,cors,host-whitelist,initial-cluster,initial-cluster-state," +
  "initial-cluster-token,quota-backend-bytes,max-request-bytes,max-concurrent-streams,pre-vote," +
  "feature-gates,initial-corrupt-check,corrupt-check-time-interval,compact-check-time-interval," +
  "auto-compaction-mode,auto-compaction-retention,auto-compaction-interval,discovery-url," +
  "discovery-proxy,discovery-token,discovery-endpoints,discovery-dial-timeout," +
  "discovery-request-timeout,discovery-keepalive-time,discovery-keepalive-timeout," +
  "discovery-insecure-transport,discovery-insecure-skip-tls-verify,discovery-cert," +
  "discovery-key,discovery-cacert,discovery-user,downgrade-check-interval,max-learners," +
  "v2-deprecation";
const QUOTA =
  "info enabled backend quota with default value quota-name,quota-size-bytes,quota-size";
const ALONE =
  "info started as single-node; fast-forwarding election ticks local-member-id,forward-ticks," +
  "forward-duration,election-ticks,election-timeout";
const PURGING = Array.from(
  { length: 2 },
  () => "info started to purge file dir,suffix,max,interval",
);
const SERVING = `info now serving peer/client/metrics local-member-id,${ADDRESSES}`;
const PUBLISHED =
  "info published local member to cluster through raft local-member-id,local-member-attributes," +
  "cluster-id,publish-timeout";
const READY = [
  "info grpc service status changed service,status",
  "info ready to serve client requests",
  "info serving client traffic insecurely; this is strongly discouraged! traffic,address",
];
const STOPPING = [
  "info closing etcd server name,data-dir,advertise-peer-urls,advertise-client-urls",
  "info skipped leadership transfer for single voting member cluster local-member-id," +
    "current-leader-member-id",
  "info stopping serving peer traffic address",
  "info stopped serving peer traffic address",
  "info closed etcd server name,data-dir,advertise-peer-urls,advertise-client-urls",
];

test("a member's log says in etcd's words how it began, served and ended", async () => {
  const first = await logOfRun("updated storage version");
  assert.deepEqual(told(first).toSorted(), FIRST_RUN.toSorted());
  assert.deepEqual(told(first).slice(0, 8), FIRST_RUN.slice(0, 8));
  assert.deepEqual(told(first).slice(-5), STOPPING);
  const second = await logOfRun("serving client traffic insecurely; this is strongly discouraged!");
  assert.deepEqual(told(second).toSorted(), SECOND_RUN.toSorted());
});

const FIRST_RUN: readonly string[] = [
  ...LISTENING,
  STARTING,
  "info opened backend db path,took",
  "info restore consistentIndex index",
  "info bootstrapping cluster",
  "info bootstrapping storage",
  "info bootstrapping raft",
  "info starting local member local-member-id,cluster-id",
  "info bootstrap successfully",
  QUOTA,
  "info kvstore restored current-rev",
  "warn simple token is not cryptographically signed",
  "info starting etcd server local-member-id,local-server-version,cluster-version",
  ALONE,
  ...PURGING,
  "info added member cluster-id,local-member-id,added-peer-id,added-peer-peer-urls," +
    "added-peer-is-learner",
  SERVING,
  "info serving peer traffic address",
  "info raft.node: ID elected leader ID at term 2",
  "info setting up initial cluster version using v3 API cluster-version",
  "info set initial cluster version cluster-id,local-member-id,cluster-version",
  "info enabled capabilities for version cluster-version",
  "info cluster version is updated cluster-version",
  "info updated storage version new-storage-version",
  PUBLISHED,
  ...READY,
  ...STOPPING,
];

const SECOND_RUN: readonly string[] = [
  ...LISTENING,
  STARTING,
  "info opened backend db path,took",
  "info restore consistentIndex index",
  "info recovered v3 backend backend-size-bytes,backend-size,backend-size-in-use-bytes," +
    "backend-size-in-use",
  "info Bootstrapping WAL from snapshot",
  "info No snapshot found. Recovering WAL from scratch!",
  "info restarting local member cluster-id,local-member-id,commit-index",
  "info recovered/added member from store cluster-id,local-member-id,recovered-remote-peer-id," +
    "recovered-remote-peer-urls,recovered-remote-peer-is-learner",
  "info set cluster version from store cluster-version",
  "info bootstrap successfully",
  QUOTA,
  "info kvstore restored current-rev",
  "warn simple token is not cryptographically signed",
  "info starting etcd server local-member-id,local-server-version,cluster-id,cluster-version",
  ALONE,
  ...PURGING,
  "info ignore already added member cluster-id,local-member-id,added-peer-id," +
    "added-peer-peer-urls,added-peer-is-learner",
  SERVING,
  "info serving peer traffic address",
  "info raft.node: ID elected leader ID at term 3",
  PUBLISHED,
  ...READY,
  ...STOPPING,
];
