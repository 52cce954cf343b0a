/**
 * Kills a member with SIGKILL again and again while clients write, and checks after each restart
 * that nothing acknowledged is lost, that revisions have no gap and do not go back, and that a
 * watcher which resumes sees every change once.
 *
 * ETCD_CRASH_ROUNDS sets the number of rounds (default 50), ETCD_CRASH_SEED repeats a run.
 */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Event_EventType } from "../api/gen/kv.ts";
import {
  CompactionRequest,
  DefragmentRequest,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "../api/gen/rpc.ts";
import { SeededRandom } from "../env/testing/index.ts";
import { connect, type ClientConnection } from "../transport/client/connection.ts";
import { EtcdProcess } from "./testing/etcd-process.ts";
import { freePorts } from "../base/testing/free-ports.ts";

const ROUNDS = Number(process.env["ETCD_CRASH_ROUNDS"] ?? 50);
const SEED = Number(process.env["ETCD_CRASH_SEED"] ?? Date.now() % 1_000_000);

const WRITERS = 4;
const PIPELINE = 8;
const MAX_RUN_MS = 150;
/** Small limits, so that snapshots and backend commits fall into every round. */
const FLAGS = ["--snapshot-count", "300", "--backend-batch-limit", "200"];

/** What the clients know: every acknowledged key with its revision, and how far the watch came. */
class Knowledge {
  readonly acknowledged = new Map<string, number>();
  readonly seen = new Map<number, string>();
  lastSeen = 1;
  #nextKey = 0;

  newKey(): string {
    return `key-${String(this.#nextKey++).padStart(8, "0")}`;
  }
}

test(`acknowledged writes survive ${ROUNDS} kills`, async () => {
  console.log(`crash-safety: seed ${SEED}`);
  const random = new SeededRandom(SEED);
  const dataDirectory = await mkdtemp(join(tmpdir(), "etcd-crash-"));
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const knowledge = new Knowledge();
  const start = () => new EtcdProcess({ dataDirectory, clientPort, peerPort, flags: FLAGS });
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const etcd = start();
      if (random.below(8) === 0) {
        await Promise.race([delay(random.below(300)), etcd.exit()]);
        await etcd.end("SIGKILL");
        continue;
      }
      await etcd.serving();
      await crashRound(etcd, clientPort, knowledge, random);
    }
    const etcd = start();
    await etcd.serving();
    await checkEverything(clientPort, knowledge);
    await etcd.end("SIGTERM");
    assert.ok(knowledge.acknowledged.size > ROUNDS / 4, "the clients have written something");
    console.log(`crash-safety: ${knowledge.acknowledged.size} acknowledged writes, none lost`);
  } finally {
    await rm(dataDirectory, { recursive: true, force: true });
  }
});

/** From the start of the writers to the kill. */
interface Life {
  over: boolean;
  /** Called when a write was acknowledged. */
  written: () => void;
}

/** One life of the member: catch up with the watch, write, be killed. */
async function crashRound(
  etcd: EtcdProcess,
  port: number,
  knowledge: Knowledge,
  random: SeededRandom,
): Promise<void> {
  const client = await connect("127.0.0.1", port);
  const watch = new ResumedWatch(client, knowledge);
  await watch.caughtUp(await currentRevision(client));
  checkAcknowledged(knowledge);
  const life: Life = { over: false, written: () => undefined };
  const written = new Promise<void>((resolve) => {
    life.written = resolve;
  });
  const writers = Array.from({ length: WRITERS * PIPELINE }, () => write(client, knowledge, life));
  const side = sideWork(client, knowledge, random);
  // However slow the disk is, some rounds have something to lose.
  if (random.below(2) === 0) await Promise.race([written, etcd.exit()]);
  await delay(random.below(MAX_RUN_MS));
  await etcd.end("SIGKILL");
  life.over = true;
  client.close();
  await Promise.all([...writers, side]);
}

async function write(client: ClientConnection, knowledge: Knowledge, life: Life): Promise<void> {
  while (!life.over) {
    const key = knowledge.newKey();
    const request = PutRequest.create({ key: Buffer.from(key), value: Buffer.from(`v-${key}`) });
    try {
      const body = await client.unary("/etcdserverpb.KV/Put", PutRequest.encode(request));
      const revision = PutResponse.decode(body).header?.revision ?? 0;
      knowledge.acknowledged.set(key, revision);
      life.written();
    } catch {
      // The fate of this write is unknown: the member is gone.
      return;
    }
  }
}

/** Now and then a compaction of what the watch has seen, or a defragmentation. */
async function sideWork(
  client: ClientConnection,
  knowledge: Knowledge,
  random: SeededRandom,
): Promise<void> {
  const choice = random.below(4);
  const revision = Math.floor(knowledge.lastSeen / 2);
  try {
    if (choice === 0 && revision > 1) {
      const request = CompactionRequest.encode(CompactionRequest.create({ revision }));
      await client.unary("/etcdserverpb.KV/Compact", request);
    } else if (choice === 1) {
      const request = DefragmentRequest.encode(DefragmentRequest.create());
      await client.unary("/etcdserverpb.Maintenance/Defragment", request);
    }
  } catch {
    // Killed meanwhile, or compacted before: neither matters here.
  }
}

/** A watch over all keys from where the last one ended. Checks order, gaps and repeats. */
class ResumedWatch {
  readonly #knowledge: Knowledge;
  #target: number | undefined;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};

  constructor(client: ClientConnection, knowledge: Knowledge) {
    this.#knowledge = knowledge;
    const stream = client.stream("/etcdserverpb.Watch/Watch", {
      onMessage: (body) => this.#receive(WatchResponse.decode(Uint8Array.from(body))),
      onEnd: () => undefined,
    });
    const create = WatchCreateRequest.create({
      key: Buffer.from([0]),
      rangeEnd: Buffer.from([0]),
      startRevision: knowledge.lastSeen + 1,
    });
    const request = WatchRequest.create({ requestUnion: { case: "createRequest", value: create } });
    stream.send(WatchRequest.encode(request));
  }

  /** Resolves when everything up to the revision has been seen. */
  caughtUp(revision: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#target = revision;
      this.#resolve = resolve;
      this.#reject = reject;
      this.#check();
    });
  }

  #receive(response: WatchResponse): void {
    try {
      assert.equal(response.canceled, false, `the watch was canceled: ${response.cancelReason}`);
      for (const event of response.events) {
        assert.equal(event.type, Event_EventType.PUT);
        const revision = event.kv?.modRevision ?? 0;
        assert.equal(revision, this.#knowledge.lastSeen + 1, "each revision once, without a gap");
        this.#knowledge.lastSeen = revision;
        this.#knowledge.seen.set(revision, Buffer.from(event.kv?.key ?? []).toString());
      }
      this.#check();
    } catch (error) {
      this.#reject(error as Error);
    }
  }

  #check(): void {
    if (this.#target !== undefined && this.#knowledge.lastSeen >= this.#target) this.#resolve();
  }
}

async function currentRevision(client: ClientConnection): Promise<number> {
  const response = await range(client, { key: Buffer.from("none") });
  return response.header?.revision ?? 0;
}

async function range(
  client: ClientConnection,
  request: Partial<RangeRequest>,
): Promise<RangeResponse> {
  const body = RangeRequest.encode(RangeRequest.create(request));
  return RangeResponse.decode(await client.unary("/etcdserverpb.KV/Range", body));
}

/** After a restart the watch has seen all of history: every acknowledged write must be in it. */
function checkAcknowledged(knowledge: Knowledge): void {
  for (const [key, revision] of knowledge.acknowledged) {
    assert.equal(knowledge.seen.get(revision), key, `${key} was acknowledged at ${revision}`);
  }
}

async function checkEverything(port: number, knowledge: Knowledge): Promise<void> {
  const client = await connect("127.0.0.1", port);
  const all = await range(client, { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) });
  const found = new Map(all.kvs.map((kv) => [Buffer.from(kv.key).toString(), kv] as const));
  for (const [key, revision] of knowledge.acknowledged) {
    const kv = found.get(key);
    assert.ok(kv !== undefined, `${key} was acknowledged and is lost`);
    assert.equal(kv.modRevision, revision);
    assert.equal(Buffer.from(kv.value).toString(), `v-${key}`);
  }
  client.close();
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
