/**
 * Compares this member's history with that of the others by hashes, as etcd does in three ways: at
 * the start, at intervals over the present state, and at intervals over the hashes that compactions
 * leave behind. Whoever differs gets the CORRUPT alarm, which stops writes.
 *
 * Only equal revisions with equal compact revisions are compared; a member that does not answer,
 * lags behind or has compacted further proves nothing.
 */
import type { KeyValueHash } from "../../mvcc/index.ts";
import { formatDuration } from "../../base/go-text.ts";
import { formatID, type MemberID, type Revision } from "../../base/ids.ts";
import type { Clock, LogFields, Logger, Timer } from "../../env/index.ts";
import type { PeerHash } from "./peer-hashes.ts";

export interface CorruptionCheckerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly memberID: MemberID;
  readonly isLeader: () => boolean;
  /** Of the present revision when it is 0. */
  readonly hashByRevision: (revision: Revision) => Promise<KeyValueHash>;
  readonly currentRevision: () => Revision;
  /** Newest last. */
  readonly compactionHashes: () => readonly KeyValueHash[];
  /** One answer for each other member. */
  readonly askPeers: (revision: Revision) => Promise<readonly PeerHash[]>;
  readonly linearizableRead: () => Promise<void>;
  /** 0 stands for the whole cluster. */
  readonly raiseAlarm: (member: MemberID) => void;
  /** Milliseconds between two comparisons of the present state; 0 is never. */
  readonly intervalMs: number;
  /** Milliseconds between two comparisons of compaction hashes; 0 is never. */
  readonly compactionIntervalMs: number;
  /** Whether compaction hashes are to be compared now. */
  readonly comparesCompactions: () => boolean;
  /** The gate was set: then each of these comparisons is told, else only what came of it. */
  readonly wasAskedForCompactions: boolean;
  /** Of a question to a peer, for the log. */
  readonly timeoutMs: number;
}

/** A start that was given up because the others have different data. */
class InconsistentDataError extends Error {
  constructor(memberID: MemberID) {
    super(`${formatID(memberID)} found data inconsistency with peers`);
    this.name = "InconsistentDataError";
  }
}

export class CorruptionChecker {
  readonly #options: CorruptionCheckerOptions;
  readonly #timers = new Set<Timer>();
  #checkedRevision: Revision = 0;
  #stopped = false;

  constructor(options: CorruptionCheckerOptions) {
    this.#options = options;
  }

  start(): void {
    const { intervalMs, compactionIntervalMs, logger, memberID } = this.#options;
    if (intervalMs > 0) {
      logger.info("enabled corruption checking", {
        "local-member-id": formatID(memberID),
        interval: formatDuration(intervalMs),
      });
      this.#repeat(intervalMs, () => this.#checkPresent());
    }
    if (compactionIntervalMs > 0) {
      this.#repeat(compactionIntervalMs, () => this.#checkCompactions());
    }
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) timer.cancel();
  }

  /** Before the first client is served. Throws `InconsistentDataError`. */
  async checkAtStart(): Promise<void> {
    const { logger, memberID, hashByRevision, askPeers } = this.#options;
    const local = { "local-member-id": formatID(memberID) };
    const timeout = { timeout: formatDuration(this.#options.timeoutMs) };
    logger.info("starting initial corruption check", { ...local, ...timeout });
    const own = await hashByRevision(0);
    let differing = 0;
    for (const peer of await askPeers(own.revision)) {
      const fields = {
        ...local,
        ...ownFields(own),
        "remote-peer-id": formatID(peer.id),
        "remote-peer-endpoints": peer.endpoints,
      };
      if (peer.answer === undefined) {
        logger.warn(unansweredText(peer.problem), { ...fields, error: peer.problem });
      } else if (peer.answer.hash !== own.hash) {
        const isComparable = peer.answer.compactRevision === own.compactRevision;
        if (isComparable) differing++;
        const what = isComparable ? "hash" : "compact revision";
        const remote = {
          "remote-peer-revision": peer.answer.currentRevision,
          "remote-peer-compact-revision": peer.answer.compactRevision,
          "remote-peer-hash": peer.answer.hash,
        };
        logger.warn(`found different ${what} values from remote peer`, { ...fields, ...remote });
      }
    }
    if (differing > 0) throw new InconsistentDataError(memberID);
    logger.info("initial corruption checking passed; no corruption", local);
  }

  #repeat(intervalMs: number, check: () => Promise<void>): void {
    const timer = this.#options.clock.setTimer(intervalMs, () => {
      this.#timers.delete(timer);
      const done = this.#options.isLeader() ? check() : Promise.resolve();
      done
        .catch((error: unknown) => {
          if (this.#stopped) return;
          this.#options.logger.warn("failed to check hash KV", { error });
        })
        .finally(() => {
          if (!this.#stopped) this.#repeat(intervalMs, check);
        });
    });
    this.#timers.add(timer);
  }

  /** The leader is ahead of everybody: whoever claims to be ahead of it is wrong. */
  async #checkPresent(): Promise<void> {
    const { hashByRevision, askPeers, linearizableRead, logger, memberID } = this.#options;
    const first = await hashByRevision(0);
    const peers = await askPeers(first.revision);
    await linearizableRead();
    const second = await hashByRevision(0);
    const revision = this.#options.currentRevision();
    const wrong: MemberID[] = [];
    const differs = (id: MemberID, why: string, fields: Readonly<Record<string, unknown>>) => {
      logger.warn(why, { ...fields, "follower-peer-id": formatID(id) });
      wrong.push(id);
    };
    if (isSamePoint(first, second) && first.hash !== second.hash) {
      logger.warn("found hash mismatch", {
        "revision-1": first.revision,
        "compact-revision-1": first.compactRevision,
        "hash-1": first.hash,
        "revision-2": second.revision,
        "compact-revision-2": second.compactRevision,
        "hash-2": second.hash,
      });
      wrong.push(memberID);
    }
    for (const { id, answer } of peers) {
      if (answer === undefined) continue;
      if (answer.currentRevision > revision) {
        differs(id, "revision from follower must be less than or equal to leader's", {
          "leader-revision": revision,
          "follower-revision": answer.currentRevision,
        });
      }
      if (answer.compactRevision > second.compactRevision) {
        differs(id, "compact revision from follower must be less than or equal to leader's", {
          "leader-compact-revision": second.compactRevision,
          "follower-compact-revision": answer.compactRevision,
        });
      }
      if (answer.compactRevision === first.compactRevision && answer.hash !== first.hash) {
        differs(id, "same compact revision then hashes must match", {
          "leader-compact-revision": second.compactRevision,
          "leader-hash": first.hash,
          "follower-compact-revision": answer.compactRevision,
          "follower-hash": answer.hash,
        });
      }
    }
    const checked = peers.filter(({ answer }) => answer !== undefined).length;
    logger.info("finished peer corruption check", { "number-of-peers-checked": checked });
    const [worst] = wrong;
    if (worst !== undefined) this.#options.raiseAlarm(worst);
  }

  /** From the newest compaction down to one whose hash every member still has. */
  async #checkCompactions(): Promise<void> {
    const { compactionHashes, askPeers, comparesCompactions, memberID, timeoutMs } = this.#options;
    if (!comparesCompactions()) return;
    const { logger, wasAskedForCompactions } = this.#options;
    const level = wasAskedForCompactions ? "info" : "debug";
    logger[level]("starting compact hash check", {
      "local-member-id": formatID(memberID),
      timeout: formatDuration(timeoutMs),
    });
    const due = compactionHashes().filter(({ revision }) => revision > this.#checkedRevision);
    let checked = 0;
    for (const own of [...due].reverse()) {
      const peers = await askPeers(own.revision);
      if (this.#stopped || peers.length === 0) return;
      checked++;
      if (this.#judge(own, peers)) break;
    }
    logger[level]("finished compaction hash check", { "number-of-hashes-checked": checked });
  }

  /** True when this hash settles the matter: all agree, or alarms were raised. */
  #judge(own: KeyValueHash, peers: readonly PeerHash[]): boolean {
    const { memberID, logger } = this.#options;
    const holders = new Map<number, MemberID[]>([[own.hash, [memberID]]]);
    let answered = 0;
    for (const { id, answer } of peers) {
      if (answer === undefined || answer.compactRevision !== own.compactRevision) {
        this.#logSkipped(own, peers, id, answer?.compactRevision);
        continue;
      }
      answered++;
      holders.set(answer.hash, [...(holders.get(answer.hash) ?? []), id]);
    }
    if (holders.size === 1) {
      if (answered < peers.length) {
        this.#noteSkips(
          "skipped revision in compaction hash check; was not able to check all peers",
          {
            "number-of-peers-checked": answered,
            "number-of-peers": peers.length,
            revision: own.revision,
            compactRevision: own.compactRevision,
          },
        );
        return false;
      }
      this.#checkedRevision = own.revision;
      logger.info("successfully checked hash on whole cluster", {
        "number-of-peers-checked": answered,
        revision: own.revision,
        compactRevision: own.compactRevision,
      });
      return true;
    }
    this.#alarmMinority(own, holders, Math.floor((peers.length + 1) / 2) + 1);
    return true;
  }

  #logSkipped(
    own: KeyValueHash,
    peers: readonly PeerHash[],
    id: MemberID,
    compactRevision: Revision | undefined,
  ): void {
    const reason =
      compactRevision === undefined
        ? "no response"
        : `the peer's CompactRevision ${compactRevision} doesn't match leader's CompactRevision ${own.compactRevision}`;
    this.#noteSkips("Skipped peer's hash", {
      "number-of-peers": peers.length,
      "leader-id": formatID(this.#options.memberID),
      "peer-id": formatID(id),
      reason,
    });
  }

  /** A member that is away would be told of every minute. */
  #noteSkips(message: string, fields: LogFields): void {
    this.#options.logger[this.#options.wasAskedForCompactions ? "warn" : "debug"](message, fields);
  }

  #alarmMinority(
    own: KeyValueHash,
    holders: ReadonlyMap<number, readonly MemberID[]>,
    quorum: number,
  ): void {
    const { memberID, logger, raiseAlarm } = this.#options;
    const right = [...holders].find(([, ids]) => ids.length >= quorum)?.[0];
    const leader = {
      "leader-id": formatID(memberID),
      "leader-revision": own.revision,
      "leader-compact-revision": own.compactRevision,
      "leader-hash": own.hash,
    };
    if (right === undefined) {
      logger.error(
        "Detected compaction hash mismatch but cannot identify the corrupted members, so intentionally set the memberID as 0",
        leader,
      );
      raiseAlarm(0n);
    }
    for (const [hash, ids] of holders) {
      if (hash === right) continue;
      const peers = { "peer-hash": hash, "peer-ids": ids.map(formatID).join(",") };
      const fields = { ...leader, ...peers, "quorum-exist": right !== undefined };
      logger.error("Detected compaction hash mismatch", fields);
      if (right !== undefined) for (const id of ids) raiseAlarm(id);
    }
  }
}

function isSamePoint(a: KeyValueHash, b: KeyValueHash): boolean {
  return a.revision === b.revision && a.compactRevision === b.compactRevision;
}

/** etcd's words for why a peer's hash is not known. */
function unansweredText(problem: string): string {
  if (problem.includes("required revision is a future revision")) {
    return "cannot fetch hash from slow remote peer";
  }
  if (problem.includes("required revision has been compacted")) {
    return "cannot fetch hash from remote peer; local member is behind";
  }
  if (problem.includes("cluster ID mismatch")) return "cluster ID mismatch";
  return "cannot fetch hash from remote peer";
}

function ownFields(own: KeyValueHash): Readonly<Record<string, unknown>> {
  return {
    "local-member-revision": own.revision,
    "local-member-compact-revision": own.compactRevision,
    "local-member-hash": own.hash,
  };
}
