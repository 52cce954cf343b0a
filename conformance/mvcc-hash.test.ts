/**
 * The multi-version layer beside a real etcd: the same random requests go to both, and every
 * response, error, watch event and HashKV must be the same.
 *
 * Needs an etcd binary: `etcd` on the PATH, or the one named by ETCD_BINARY.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import * as grpc from "@grpc/grpc-js";
import { EtcdError } from "../src/api/errors.ts";
import {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  HashKVRequest,
  HashKVResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  ResponseHeader,
  TxnRequest,
  TxnResponse,
  WatchRequest,
  WatchResponse,
} from "../src/api/gen/rpc.ts";
import type { MessageType } from "../src/api/message-type.ts";
import {
  checkDeleteRange,
  checkPut,
  checkRange,
  checkTxn,
  encodeDeleteRangeResponse,
  encodePutResponse,
  encodeRangeResponse,
  encodeTxnResponse,
  executeDeleteRange,
  executePut,
  executeRange,
  executeTxn,
  WatchableStore,
} from "../src/mvcc/index.ts";
import { finishCompactions, hashOf, openWorld, type World } from "../src/mvcc/testing/harness.ts";
import { TestRandom } from "../src/mvcc/testing/random.ts";
import {
  LEASES,
  randomDelete,
  randomPut,
  randomRange,
  randomTxn,
} from "../src/mvcc/testing/random-requests.ts";
import { freePort } from "../src/base/testing/free-ports.ts";
import { PATIENCE_MS } from "../src/base/testing/patience.ts";

const BINARY = process.env.ETCD_BINARY ?? "etcd";
const ROUNDS = Number(process.env.ETCD_CONFORMANCE_ROUNDS ?? 400);
const PROBE = spawnSync(BINARY, ["--version"], { encoding: "utf8" });
const MISSING = PROBE.error === undefined ? false : `no etcd binary ("${BINARY}")`;
/**
 * etcd 3.4 checks the operations of a transaction in another order, so that of two errors it may
 * show the other one, and it keeps no hashes of compactions.
 */
const IS_3_4 = PROBE.stdout?.includes("etcd Version: 3.4.") ?? false;

class RealEtcd {
  readonly #process: ChildProcess;
  readonly #dataDir: string;
  readonly #client: grpc.Client;

  private constructor(process: ChildProcess, dataDir: string, port: number) {
    this.#process = process;
    this.#dataDir = dataDir;
    this.#client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  }

  static async start(): Promise<RealEtcd> {
    const [clientPort, peerPort] = [await freePort(), await freePort()];
    const dataDir = mkdtempSync(join(tmpdir(), "mvcc-conformance-"));
    const clientURL = `http://127.0.0.1:${clientPort}`;
    const peerURL = `http://127.0.0.1:${peerPort}`;
    const flags = {
      name: "real",
      "data-dir": dataDir,
      "listen-client-urls": clientURL,
      "advertise-client-urls": clientURL,
      "listen-peer-urls": peerURL,
      "initial-advertise-peer-urls": peerURL,
      "initial-cluster": `real=${peerURL}`,
    };
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    const child = spawn(BINARY, args, { stdio: "ignore" });
    const etcd = new RealEtcd(child, dataDir, clientPort);
    await new Promise<void>((resolve, reject) => {
      etcd.#client.waitForReady(Date.now() + PATIENCE_MS, (error) =>
        error === undefined ? resolve() : reject(error),
      );
    });
    return etcd;
  }

  /** The response, or the error's code and text. */
  call<Q, R>(
    method: string,
    Q: MessageType<Q>,
    R: MessageType<R>,
    request: Q,
  ): Promise<R | string> {
    return new Promise((resolve, reject) => {
      const encode = (message: Q): Buffer => Buffer.from(Q.encode(message));
      this.#client.makeUnaryRequest(
        `/etcdserverpb.${method}`,
        encode,
        (bytes) => R.decode(bytes),
        request,
        { deadline: Date.now() + PATIENCE_MS },
        (error, response) => {
          if (response !== undefined) resolve(response);
          else if (error === null) reject(new Error("neither response nor error"));
          else resolve(`${error.code} ${error.details}`);
        },
      );
    });
  }

  /** The events that a watch of everything shows from `startRevision` to `endRevision`. */
  watch(startRevision: number, endRevision: number): Promise<WatchResponse["events"]> {
    const stream = this.#client.makeBidiStreamRequest(
      "/etcdserverpb.Watch/Watch",
      (message: WatchRequest) => Buffer.from(WatchRequest.encode(message)),
      (bytes) => WatchResponse.decode(bytes),
    );
    stream.on("error", () => {});
    stream.write(watchEverything(startRevision));
    return new Promise((resolve) => {
      const events: WatchResponse["events"] = [];
      stream.on("data", (response: WatchResponse) => {
        events.push(...response.events);
        if ((events.at(-1)?.kv?.modRevision ?? 0) < endRevision) return;
        stream.cancel();
        resolve(events);
      });
    });
  }

  async stop(): Promise<void> {
    this.#client.close();
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGKILL");
    await exited;
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}

function watchEverything(startRevision: number): WatchRequest {
  const all = Buffer.from([0]);
  const value = { key: all, rangeEnd: all, startRevision, prevKv: true };
  return WatchRequest.decode(
    WatchRequest.encode({
      requestUnion: { case: "createRequest", value: { ...NO_WATCH, ...value } },
    }),
  );
}

const NO_WATCH = {
  progressNotify: false,
  filters: [],
  watchId: 0,
  fragment: false,
};

function ourWatch(watchable: WatchableStore, startRevision: number): WatchResponse["events"] {
  const events: WatchResponse["events"] = [];
  const stream = watchable.openStream({
    congested: false,
    deliver: (_watch, _revision, slices) => {
      events.push(...WatchResponse.decode(Buffer.concat(slices)).events);
      return true;
    },
    deliverEach: () => assert.fail("there is one watch"),
    compacted: () => true,
    progress: () => {},
  });
  const request = watchEverything(startRevision).requestUnion;
  assert.ok(request?.case === "createRequest");
  stream.create(request.value);
  while (watchable.syncWatchers(100) === "more") {
    // Go on.
  }
  stream.close();
  return events;
}

/** The response without what only a server knows; or the error's code and text. */
function ours<R>(R: MessageType<R>, run: () => Uint8Array): R | string {
  try {
    return R.decode(run());
  } catch (error) {
    if (error instanceof EtcdError) return `${error.code} ${error.message}`;
    throw error;
  }
}

function header(revision: number): Uint8Array {
  return ResponseHeader.encode(ResponseHeader.create({ revision }));
}

/** Takes cluster, member and term out of a real response's header. */
function withoutServer<R>(response: R | string): R | string {
  if (typeof response === "string") return response;
  const message = response as { header?: ResponseHeader };
  const revision = message.header?.revision ?? 0;
  return { ...response, header: ResponseHeader.create({ revision }) };
}

class Comparison {
  readonly #real: RealEtcd;
  readonly #world: World = openWorld();
  readonly #watchable = new WatchableStore(this.#world.store);
  readonly #random: TestRandom;

  constructor(real: RealEtcd, seed: number) {
    this.#real = real;
    this.#random = new TestRandom(seed);
  }

  async grantLeases(): Promise<void> {
    for (const id of LEASES) {
      this.#world.lessor.grant(id);
      const request = LeaseGrantRequest.create({ ID: id, TTL: 100_000 });
      await this.#real.call("Lease/LeaseGrant", LeaseGrantRequest, LeaseGrantResponse, request);
    }
  }

  async step(): Promise<void> {
    const kind = this.#random.below(100);
    if (kind < 30) await this.#put();
    else if (kind < 40) await this.#delete();
    else if (kind < 70) await this.#txn();
    else if (kind < 92) await this.#range();
    else if (kind < 94) await this.#compact();
    else await this.#hash();
  }

  async #put(): Promise<void> {
    const request = randomPut(this.#random);
    const { store } = this.#world;
    const own = ours(PutResponse, () => {
      checkPut(request);
      const result = executePut(store, request);
      return encodePutResponse(header(result.revision), result.previous);
    });
    await this.#compare("KV/Put", PutRequest, PutResponse, request, own);
  }

  async #delete(): Promise<void> {
    const request = randomDelete(this.#random);
    const { store } = this.#world;
    const own = ours(DeleteRangeResponse, () => {
      checkDeleteRange(request);
      const result = executeDeleteRange(store, request);
      return encodeDeleteRangeResponse(header(result.revision), result);
    });
    await this.#compare("KV/DeleteRange", DeleteRangeRequest, DeleteRangeResponse, request, own);
  }

  async #txn(): Promise<void> {
    const { store } = this.#world;
    const request = randomTxn(this.#random, store.currentRevision);
    const own = ours(TxnResponse, () => {
      checkTxn(request, { maxTxnOps: 128 });
      const result = executeTxn(store, request);
      return encodeTxnResponse(header(result.revision), result);
    });
    await this.#compare("KV/Txn", TxnRequest, TxnResponse, request, own);
  }

  async #range(): Promise<void> {
    const { store } = this.#world;
    const request = randomRange(this.#random, store.currentRevision);
    const own = ours(RangeResponse, () => {
      checkRange(request);
      const result = executeRange(store, request);
      return encodeRangeResponse(header(result.revision), result);
    });
    await this.#compare("KV/Range", RangeRequest, RangeResponse, request, own);
  }

  async #compact(): Promise<void> {
    const { store } = this.#world;
    const revision = 1 + this.#random.below(store.currentRevision + 1);
    const request = CompactionRequest.create({ revision, physical: true });
    const own = ours(CompactionResponse, () => {
      store.compact(revision);
      return CompactionResponse.encode(
        CompactionResponse.create({ header: ResponseHeader.decode(header(store.currentRevision)) }),
      );
    });
    await this.#compare("KV/Compact", CompactionRequest, CompactionResponse, request, own);
    finishCompactions(store);
    await this.compareWatch();
  }

  async #hash(): Promise<void> {
    const { store } = this.#world;
    const oldest = Math.max(store.compactRevision + (IS_3_4 ? 1 : 0), 1);
    const span = store.currentRevision - oldest + 2;
    const revision = this.#random.chance(30) ? 0 : oldest + this.#random.below(span);
    const request = HashKVRequest.create({ revision });
    const real = await this.#real.call(
      "Maintenance/HashKV",
      HashKVRequest,
      HashKVResponse,
      request,
    );
    let own: unknown;
    try {
      const { hash, compactRevision } = hashOf(store, revision);
      own = { hash, compactRevision };
    } catch (error) {
      own = error instanceof EtcdError ? `${error.code} ${error.message}` : error;
    }
    const { hash, compactRevision } = real as HashKVResponse;
    assert.deepEqual(own, typeof real === "string" ? real : { hash, compactRevision });
  }

  async compareWatch(): Promise<void> {
    const { store } = this.#world;
    const start = Math.max(store.compactRevision, 2);
    const own = ourWatch(this.#watchable, start);
    const last = own.at(-1)?.kv?.modRevision;
    if (last === undefined || start <= store.compactRevision) return;
    assert.deepEqual(own, await this.#real.watch(start, last));
  }

  async #compare<Q, R>(
    method: string,
    Q: MessageType<Q>,
    R: MessageType<R>,
    request: Q,
    own: R | string,
  ): Promise<void> {
    const real = withoutServer(await this.#real.call(method, Q, R, request));
    if (IS_3_4 && method === "KV/Txn" && typeof own === "string" && typeof real === "string")
      return;
    const text = JSON.stringify(request, (_, value) =>
      typeof value === "bigint" ? String(value) : value,
    );
    assert.deepEqual(own, real, `${method} ${text}`);
  }
}

test(
  "requests, errors, watch events and hashes equal a real etcd's",
  {
    skip: MISSING,
  },
  async () => {
    for (const seed of [Number(process.env.TEST_SEED ?? 7)]) {
      const real = await RealEtcd.start();
      try {
        const comparison = new Comparison(real, seed);
        await comparison.grantLeases();
        for (let round = 0; round < ROUNDS; round++) {
          await comparison.step().catch((error: unknown) => {
            throw new Error(`TEST_SEED=${seed}, round ${round}`, { cause: error });
          });
        }
        await comparison.compareWatch();
      } finally {
        await real.stop();
      }
    }
  },
);
