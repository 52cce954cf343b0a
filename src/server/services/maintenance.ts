/**
 * The Maintenance service of one member: status, alarms, hashes, backup, defragmentation.
 */
import { createHash } from "node:crypto";
import { EtcdError, StatusCode } from "../../api/errors.ts";
import {
  type AlarmMember,
  AlarmRequest,
  AlarmRequest_AlarmAction,
  AlarmType,
  DefragmentResponse,
  HashKVRequest,
  HashKVResponse,
  HashResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  type ResponseHeader,
  SnapshotRequest,
  SnapshotResponse,
  StatusResponse,
} from "../../api/gen/rpc.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { SERVER_VERSION } from "../../api/version.ts";
import type { Identity } from "../../auth/index.ts";
import { copyBytes, utf8FromBytes } from "../../base/bytes.ts";
import { formatDuration, humanizeBytes } from "../../base/go-text.ts";
import type { Revision } from "../../base/ids.ts";
import { sizeVarint, writeVarint } from "../../base/varint.ts";
import type { StreamCall, UnaryCall } from "../../env/index.ts";
import { NO_MEMBER } from "../../raft/index.ts";
import type { Answering, Counted, ServerContext } from "../context.ts";
import { alarmName } from "../apply/alarms.ts";
import { requestTimeoutMs } from "../options.ts";
import { RaftField } from "../log/raft-request.ts";
import { decodeOrEnd, failWith, statusOf } from "./reply.ts";
import type { StreamRows, UnaryRows } from "./rows.ts";
import type { ServicesCounters } from "./services-metrics.ts";

/** Size of the blobs of a snapshot stream, as etcd's. */
const SNAPSHOT_BLOB_BYTES = 32 * 1024;
/** One read of the file, which many blobs are cut from. */
const SNAPSHOT_READ_BYTES = 1024 * 1024;
/** A snapshot reader that lags this far makes the stream wait. */
const SNAPSHOT_BUFFER_BYTES = 1024 * 1024;

/** What a status tells, it must see. */
type StatusNeeds = Answering &
  Pick<
    ServerContext,
    | "alarms"
    | "appliedIndex"
    | "backend"
    | "cluster"
    | "committedIndex"
    | "leader"
    | "options"
    | "quota"
    | "storageVersion"
  >;

export type MaintenanceNeeds = StatusNeeds &
  Counted<Pick<ServicesCounters, "hashDuration">> &
  Pick<
    ServerContext,
    | "applyEnded"
    | "auth"
    | "clock"
    | "hashByRevision"
    | "isLeader"
    | "leadership"
    | "logger"
    | "memberID"
    | "propose"
    | "refusal"
  >;

/** A hash of the whole db, and the revision that it shows. */
interface DatabaseHash {
  readonly revision: Revision;
  readonly hash: number;
}

export class MaintenanceService {
  readonly unary: UnaryRows = {
    [METHOD.Status]: (call) => this.status(call),
    [METHOD.Alarm]: (call, who) => this.alarm(call, who),
    [METHOD.Defragment]: (call) => this.defragment(call),
    [METHOD.Hash]: (call) => this.hash(call),
    [METHOD.HashKV]: (call) => this.hashKV(call),
    [METHOD.MoveLeader]: (call) => this.moveLeader(call),
  };
  readonly stream: StreamRows = { [METHOD.Snapshot]: (call) => this.snapshot(call) };
  readonly #server: MaintenanceNeeds;
  #runningHash: Promise<DatabaseHash> | undefined;
  /** Not begun: more may join. */
  #nextHash: Promise<DatabaseHash> | undefined;
  readonly #onDefragment: (running: boolean) => void;

  /** `onDefragment` lets the health service say that the member is busy. */
  constructor(server: MaintenanceNeeds, onDefragment: (running: boolean) => void) {
    this.#server = server;
    this.#onDefragment = onDefragment;
  }

  status(call: UnaryCall): void {
    const server = this.#server;
    const errors: string[] = [];
    if (server.leader === NO_MEMBER) errors.push("etcdserver: no leader");
    for (const alarm of server.alarms.list(AlarmType.NONE)) errors.push(alarmText(alarm));
    call.reply(
      StatusResponse.encode(
        StatusResponse.create({
          header: this.#header(),
          version: SERVER_VERSION,
          dbSize: server.backend.sizeBytes,
          leader: server.leader,
          raftIndex: server.committedIndex,
          raftTerm: server.term,
          raftAppliedIndex: server.appliedIndex,
          errors,
          dbSizeInUse: server.backend.sizeInUseBytes,
          isLearner: server.cluster.local?.isLearner ?? false,
          storageVersion: server.storageVersion ?? "",
          dbSizeQuota: Number.isFinite(server.quota.limitBytes)
            ? server.quota.limitBytes
            : server.options.quotaBackendBytes,
          downgradeInfo: {
            enabled: server.cluster.downgrade.enabled,
            targetVersion: server.cluster.downgrade.targetVersion,
          },
        }),
      ),
    );
  }

  /** Reads answer at once; changes go through raft, since all members must agree on alarms. */
  alarm(call: UnaryCall, who: Identity): void {
    const request = AlarmRequest.decode(call.body);
    const { refusal, auth } = this.#server;
    if (request.action !== AlarmRequest_AlarmAction.GET) {
      auth.store.requireAdmin(who);
      if (refusal !== undefined) throw refusal;
    }
    this.#server.propose(RaftField.alarm, copyBytes(call.body), who, call.span).then(
      (reply) => call.replyParts(reply),
      (error: unknown) => failWith(call, error),
    );
  }

  defragment(call: UnaryCall): void {
    const { logger, backend } = this.#server;
    logger.info("starting defragment");
    this.#onDefragment(true);
    backend.defragment().then(
      () => {
        this.#onDefragment(false);
        logger.info("finished defragment");
        call.reply(DefragmentResponse.encode(DefragmentResponse.create()));
      },
      (error: unknown) => {
        this.#onDefragment(false);
        logger.warn("failed to defragment", { error });
        failWith(call, error);
      },
    );
  }

  hash(call: UnaryCall): void {
    this.#nextHash ??= this.#hashAfter(this.#runningHash);
    this.#nextHash.then(
      ({ revision, hash }) => {
        const header = this.#header(revision);
        call.reply(HashResponse.encode(HashResponse.create({ header, hash })));
      },
      (error: unknown) => failWith(call, error),
    );
  }

  /** One at a time: all that ask while one is under way share the next. */
  async #hashAfter(running: Promise<unknown> | undefined): Promise<DatabaseHash> {
    await running?.catch(() => undefined);
    while (this.#server.store.isSuspended) await this.#server.applyEnded();
    const { backend, store, clock, counters } = this.#server;
    this.#runningHash = this.#nextHash;
    this.#nextHash = undefined;
    const revision = store.currentRevision;
    const startMs = clock.nowMs();
    const hash = await backend.hash(isIgnoredInHash);
    counters.hashDuration.observe((clock.nowMs() - startMs) / 1000);
    return { revision, hash };
  }

  hashKV(call: UnaryCall): void {
    const request = HashKVRequest.decode(call.body);
    this.#server.hashByRevision(request.revision).then(
      ({ hash, compactRevision, revision }) => {
        const header = this.#header();
        const fields = { header, hash, compactRevision, hashRevision: revision };
        call.reply(HashKVResponse.encode(HashKVResponse.create(fields)));
      },
      (error: unknown) => failWith(call, error),
    );
  }

  /** As in etcd, a leader that is to keep its leadership has succeeded, and there is no header. */
  moveLeader(call: UnaryCall): void {
    const { targetID } = MoveLeaderRequest.decode(call.body);
    const { isLeader, cluster, leadership, memberID, options, clock } = this.#server;
    if (!isLeader) throw new EtcdError("notLeader");
    const target = cluster.member(targetID);
    if (target === undefined || target.isLearner) throw new EtcdError("badLeaderTransferee");
    const leftMs = call.deadlineMs - clock.nowMs();
    const moved =
      targetID === memberID
        ? Promise.resolve()
        : leadership.transfer(targetID, Math.min(leftMs, requestTimeoutMs(options)));
    moved.then(
      () => call.reply(MoveLeaderResponse.encode(MoveLeaderResponse.create())),
      (error: unknown) => failWith(call, error),
    );
  }

  /**
   * Streams the db file, then its SHA-256 in a last message, so that the reader can tell a whole
   * snapshot from a cut one.
   */
  snapshot(call: StreamCall): void {
    call.onMessage = (message) => {
      const request = decodeOrEnd(SnapshotRequest, message, (code, text) => {
        call.finish(code, text);
      });
      if (request === undefined) return;
      call.onMessage = undefined;
      const reader = new SlowReaderGate(call);
      this.#sendSnapshot(call, reader).then(
        () => call.finish(StatusCode.OK, ""),
        (error: unknown) => {
          const status = statusOf(error);
          this.#server.logger.warn("failed to send database snapshot", { error: status.message });
          call.finish(status.code, status.message);
        },
      );
    };
  }

  async #sendSnapshot(call: StreamCall, reader: SlowReaderGate): Promise<void> {
    const { backend, logger, clock, storageVersion } = this.#server;
    const version = storageVersion ?? "";
    const started = clock.nowMs();
    const snapshot = await backend.openSnapshot();
    try {
      const total = snapshot.sizeBytes;
      const size = { "total-bytes": total, size: humanizeBytes(total) };
      const stored = { "storage-version": version };
      logger.info("sending database snapshot to client", { ...size, ...stored });
      const digest = createHash("sha256");
      let sent = 0;
      for await (const chunk of snapshot.chunks(SNAPSHOT_READ_BYTES)) {
        digest.update(chunk);
        for (let at = 0; at < chunk.length; at += SNAPSHOT_BLOB_BYTES) {
          const blob = chunk.subarray(at, at + SNAPSHOT_BLOB_BYTES);
          sent += blob.length;
          call.send(...snapshotParts(total - sent, blob, version));
          if (!(await reader.ready())) return;
        }
      }
      const sum = digest.digest();
      logger.info("sending database sha256 checksum to client", {
        "total-bytes": total,
        "checksum-size": sum.length,
      });
      call.send(...snapshotParts(0, sum, version));
      const took = formatDuration(clock.nowMs() - started);
      logger.info("successfully sent database snapshot to client", { ...size, took, ...stored });
    } finally {
      snapshot.close();
    }
  }

  #header(revision: Revision = this.#server.store.currentRevision): ResponseHeader {
    return this.#server.header.message(revision, this.#server.term);
  }
}

/** Field 3, with a length. */
const BLOB_TAG = 0x1a;

/** The message around the blob, which is not copied. */
function snapshotParts(
  remainingBytes: number,
  blob: Uint8Array,
  version: string,
): readonly Uint8Array[] {
  const message = SnapshotResponse.create({ remainingBytes });
  const fieldBytes = SnapshotResponse.size(message);
  const head = Buffer.allocUnsafe(fieldBytes + 1 + sizeVarint(blob.length));
  SnapshotResponse.write(message, head, 0);
  head[fieldBytes] = BLOB_TAG;
  writeVarint(head, fieldBytes + 1, blob.length);
  return [head, blob, SnapshotResponse.encode(SnapshotResponse.create({ version }))];
}

/** Waits while the client reads more slowly than the disk gives. */
class SlowReaderGate {
  readonly #call: StreamCall;
  #wake: (() => void) | undefined;
  #gone = false;

  constructor(call: StreamCall) {
    this.#call = call;
    call.onDrain = () => this.#wake?.();
    call.onCancel = () => {
      this.#gone = true;
      this.#wake?.();
    };
  }

  /** False once the client has gone. */
  async ready(): Promise<boolean> {
    while (!this.#gone && this.#call.bufferedBytes > SNAPSHOT_BUFFER_BYTES) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return !this.#gone;
  }
}

/** As Go prints the message: `memberID:123 alarm:NOSPACE `. */
function alarmText(member: AlarmMember): string {
  return `memberID:${member.memberID} alarm:${alarmName(member.alarm)} `;
}

/** What differs between members that hold the same data. */
function isIgnoredInHash(bucket: string, key: Uint8Array): boolean {
  return bucket === "meta" && HASH_IGNORED_META_KEYS.has(utf8FromBytes(key));
}

const HASH_IGNORED_META_KEYS: ReadonlySet<string> = new Set([
  "consistent_index",
  "term",
  "storageVersion",
]);
