/** What a member holds for clients that do not read. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { RpcClient, type WatchClient } from "../src/embed/e2e/rpc-client.ts";
import { type EtcdProcess, missing, startEtcd } from "./harness.ts";

const WATCHERS = 20;
const PUTS = 300;
const VALUE = "x".repeat(100_000);
/** What all watches together would hold: 600 MB. What they may: */
const MAX_GROWTH_BYTES = 300_000_000;

function residentBytes(etcd: EtcdProcess): number {
  const status = readFileSync(`/proc/${etcd.pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024;
}

/** The revisions that a watch shows, up to `last`. */
async function revisionsOf(watch: WatchClient, last: number): Promise<number[]> {
  const revisions: number[] = [];
  while (revisions.at(-1) !== last) {
    const { events } = await watch.next();
    revisions.push(...events.map((event) => event.kv?.modRevision ?? 0));
  }
  return revisions;
}

test(
  "clients that do not read their events cost little memory, and get them all later",
  {
    skip: missing("ours") || (process.platform !== "linux" && "memory is read from /proc"),
  },
  async () => {
    await using etcd = await startEtcd({ flags: ["--snapshot-count=100"] });
    const port = Number(new URL(etcd.clientUrl).port);
    const writer = await RpcClient.connect(port);
    const clients = await Promise.all(
      Array.from({ length: WATCHERS }, () => RpcClient.connect(port)),
    );
    const watches = clients.map((client) => client.watch());
    for (const watch of watches) {
      await watch.create("watched");
      watch.stream.raw.pauseReceiving();
    }
    const before = residentBytes(etcd);
    const revisions: number[] = [];
    for (let i = 0; i < PUTS; i++) {
      revisions.push((await writer.put("watched", VALUE)).header?.revision ?? 0);
    }
    for (const watch of watches) watch.stream.raw.resumeReceiving();
    for (const watch of watches) {
      assert.deepEqual(await revisionsOf(watch, revisions.at(-1) ?? 0), revisions);
    }
    const growth = residentBytes(etcd) - before;
    assert.ok(growth < MAX_GROWTH_BYTES, `${Math.round(growth / 1e6)} MB`);
    for (const client of [writer, ...clients]) client.close();
  },
);
