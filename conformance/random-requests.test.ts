/**
 * The same random requests to a reference etcd and to ours: every reply, error code and error text
 * must be equal, and so must the hash of the data, the events of a watch over everything, and both
 * again after a restart.
 *
 * `ETCD_SEED` and `ETCD_ROUNDS` repeat or lengthen a run.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchCreateRequest, type WatchResponse } from "../src/api/gen/rpc.ts";
import { eventTexts, FROM_KEY, RpcClient, type WatchClient } from "../src/embed/e2e/rpc-client.ts";
import { until } from "../src/embed/e2e/wait.ts";
import type { RpcError } from "../src/transport/client/rpc-error.ts";
import { type EtcdProcess, missing, startEtcd, versionOf } from "./harness.ts";
import { type RandomRequest, RandomRequests } from "./random-requests.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const SEED = Number(process.env.ETCD_SEED ?? Date.now() % 1_000_000_007);
const ROUNDS = Number(process.env.ETCD_ROUNDS ?? 2000);
const MARKER = "marker";
/** Requests between two new watches. */
const WATCH_EVERY = 50;
/** Both members have the ids that follow from this address. */
const PEER_URL = "http://127.0.0.1:2380";

const FLAGS = [
  `--initial-advertise-peer-urls=${PEER_URL}`,
  `--initial-cluster=default=${PEER_URL}`,
  "--advertise-client-urls=http://127.0.0.1:2379",
  // No request reaches it: nested operations are counted otherwise, see docs/differences.md.
  "--max-txn-ops=1000",
];

function clientOf(etcd: EtcdProcess): Promise<RpcClient> {
  return RpcClient.connect(Number(new URL(etcd.clientUrl).port));
}

/** A reply, or how the call failed. */
async function outcomeOf(client: RpcClient, request: RandomRequest): Promise<unknown> {
  try {
    return await client.call(request.path, request.fields);
  } catch (error) {
    const { code, message } = error as RpcError;
    return { code, message };
  }
}

/** Text of anything, bytes as latin1, for comparison and for people. */
function shown(value: unknown): string {
  return JSON.stringify(
    value,
    (_key, field: unknown) => {
      if (typeof field === "bigint") return field.toString();
      if (field instanceof Uint8Array) return Buffer.from(field).toString("latin1");
      if (isBufferJSON(field)) return Buffer.from(field.data).toString("latin1");
      return field;
    },
    1,
  );
}

function isBufferJSON(field: unknown): field is { data: number[] } {
  return typeof field === "object" && field !== null && "type" in field && field.type === "Buffer";
}

/** Before 3.5 all puts of a transaction were checked before its ranges, now they are in order. */
const isOld = versionOf("reference")?.startsWith("3.4.") === true;
const REFUSED =
  /"code": \d+,\s+"message": "etcdserver: (?:key not found|requested lease not found|mvcc: required revision [a-z ]+)"/;

/** What a member of 3.4 does not know or does differently. */
function comparable(request: RandomRequest, outcome: unknown): string {
  if (request.path === "/etcdserverpb.Lease/LeaseLeases") {
    const { leases } = outcome as { leases: readonly { ID: bigint }[] };
    return shown(leases.map(({ ID }) => ID).sort());
  }
  const text = shown(outcome);
  if (request.path === "/etcdserverpb.KV/Txn" && isOld) return text.replace(REFUSED, "refused");
  if (request.path !== "/etcdserverpb.Maintenance/HashKV") return text;
  return text.replace(/"hashRevision": \d+/, '"hashRevision": …');
}

/** All events from a revision to the marker that was put last. */
async function eventsFrom(client: RpcClient, startRevision: number): Promise<string[]> {
  const watch = client.watch();
  await watch.create("", { rangeEnd: FROM_KEY, startRevision, prevKv: true });
  const events: string[] = [];
  while (events.at(-1)?.startsWith(`PUT ${MARKER}=`) !== true) {
    events.push(...eventTexts(await watch.next()));
  }
  watch.close();
  return events;
}

/**
 * Random watches on one stream, started one by one while requests go on. What each of them has
 * shown is compared at the end: the same events in the same order, however they were packed.
 */
class Watches {
  readonly #watch: WatchClient;
  readonly #shown = new Map<number, string[]>();
  readonly #created: string[] = [];
  readonly #compacted = new Set<number>();
  readonly #reading: Promise<void>;

  constructor(client: RpcClient) {
    this.#watch = client.watch();
    this.#reading = this.#read();
  }

  async add(request: WatchCreateRequest): Promise<void> {
    const wanted = this.#created.length + 1;
    const value = WatchCreateRequest.create(request);
    this.#watch.stream.send({ requestUnion: { case: "createRequest", value } });
    await until(() => this.#created.length >= wanted, "a watch to be created");
  }

  /** What the watches have shown; those that met a compaction stopped at a moment of chance. */
  shown(ignored: ReadonlySet<number>, mayLack: RegExp | undefined): string {
    const shownBy = [...this.#shown]
      .filter(([id]) => !ignored.has(id))
      .map(
        ([id, events]) => [id, events.filter((event) => mayLack?.test(event) !== true)] as const,
      );
    return shown([this.#created, shownBy.sort(([one], [other]) => one - other)]);
  }

  get compacted(): readonly number[] {
    return [...this.#compacted];
  }

  async close(): Promise<void> {
    this.#watch.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    for (;;) {
      let message: WatchResponse;
      try {
        message = await this.#watch.next();
      } catch {
        return;
      }
      const { watchId, created, canceled, cancelReason, compactRevision } = message;
      if (created) this.#created.push(`${watchId} ${canceled} ${cancelReason}`);
      const events = this.#shown.get(watchId) ?? [];
      events.push(...eventTexts(message));
      if (compactRevision !== 0) this.#compacted.add(watchId);
      this.#shown.set(watchId, events);
    }
  }
}

/** Before 3.5 the hash could see a tombstone until it was physically gone: that is waited for. */
function fitted(request: RandomRequest): RandomRequest {
  if (!isOld || request.path !== "/etcdserverpb.KV/Compact") return request;
  return { ...request, fields: { ...request.fields, physical: true } };
}

/** 3.4.23 watches from now on when the revision is negative; later ones call it compacted. */
function fittedWatch(watch: WatchCreateRequest): WatchCreateRequest {
  return isOld && watch.startRevision < 0 ? { ...watch, startRevision: 0 } : watch;
}

/**
 * A watch of 3.4.23 that has to catch up loses the deletion at the very revision that is compacted
 * meanwhile (etcd issue 18089).
 */
function lostByOld(compactions: readonly number[]): RegExp | undefined {
  if (!isOld || compactions.length === 0) return undefined;
  return new RegExp(`^DELETE .*@(?:${compactions.join("|")})$`, "s");
}

async function compareWatches(
  watches: readonly Watches[],
  compactions: readonly number[],
): Promise<void> {
  const all = (): string[] => {
    const ignored = new Set(watches.flatMap((each) => each.compacted));
    return watches.map((each) => each.shown(ignored, lostByOld(compactions)));
  };
  await until(() => new Set(all()).size === 1, "the same events").catch(() => undefined);
  const [expected, actual] = all();
  assert.equal(actual, expected);
  for (const each of watches) await each.close();
}

async function dataOf(client: RpcClient): Promise<string> {
  const range = await client.range(FROM_KEY, { rangeEnd: FROM_KEY });
  const hash = await client.call("/etcdserverpb.Maintenance/HashKV", {});
  // The whole db: older members keep less in it.
  const whole = isOld ? undefined : await client.call("/etcdserverpb.Maintenance/Hash", {});
  return shown([range, hash.hash, hash.compactRevision, whole?.hash]);
}

test(
  `random requests have equal outcomes (seed ${SEED})`,
  { skip: missing("ours", "reference"), timeout: 10 * PATIENCE_MS },
  async () => {
    await using reference = await startEtcd({ kind: "reference", flags: FLAGS });
    await using ours = await startEtcd({ kind: "ours", flags: FLAGS });
    let clients = await Promise.all([clientOf(reference), clientOf(ours)]);
    const random = new RandomRequests(SEED);
    const watches = clients.map((client) => new Watches(client));
    const compactions: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      if (round % WATCH_EVERY === 0) {
        const watch = fittedWatch(random.watch());
        await Promise.all(watches.map((each) => each.add(watch)));
      }
      const request = fitted(random.next());
      const [expected, actual] = await Promise.all(
        clients.map((client) => outcomeOf(client, request)),
      );
      assert.equal(
        comparable(request, actual),
        comparable(request, expected),
        `round ${round}: ${request.path} ${shown(request.fields)} of ${versionOf("reference")}`,
      );
      const { header } = expected as { header?: { revision: number } };
      random.revision = header?.revision ?? random.revision;
      if (request.path === "/etcdserverpb.KV/Compact" && header !== undefined) {
        compactions.push((request.fields as { revision: number }).revision);
      }
    }
    await compareWatches(watches, compactions);
    const [data, sameData] = await Promise.all(clients.map(dataOf));
    assert.equal(sameData, data);
    await Promise.all(clients.map((client) => client.put(MARKER)));
    const [events, sameEvents] = await Promise.all(
      clients.map((client) => eventsFrom(client, (compactions.at(-1) ?? 0) + 1)),
    );
    assert.deepEqual(sameEvents, events);
    const [before] = await Promise.all(clients.map(dataOf));
    for (const client of clients) client.close();
    await Promise.all([reference.restart(), ours.restart()]);
    clients = await Promise.all([clientOf(reference), clientOf(ours)]);
    for (const after of await Promise.all(clients.map(dataOf))) {
      assert.equal(after.replace(/"raftTerm": \d+/, ""), before?.replace(/"raftTerm": \d+/, ""));
    }
    for (const client of clients) client.close();
  },
);
