/**
 * Lets notices of a new commit index wait a moment. A leader tells its followers by an append without
 * entries what is committed now. While writes come closely behind each other the next append says the
 * same, and the notice would cost each side a message for nothing; otherwise it leaves in the next
 * turn of the loop, behind the answer to the client.
 *
 * Nobody waits for it in vain: a follower that has forwarded a proposal gets its notice at once, and
 * one that is told anything else gets it first, so that an answer to a read finds its index.
 */
import { type Message, MessageType } from "../../api/gen/raft.ts";
import type { Index, MemberID } from "../../base/ids.ts";
import type { Clock, Timer } from "../../env/index.ts";
import type { Defer } from "../options.ts";

/** Appends that are no further apart are a stream of writes; a notice waits no longer for the next. */
const NOTICE_HOLD_MS = 2;

export interface CommitNoticesDeps {
  readonly clock: Clock;
  readonly defer: Defer;
  /** Messages to other members, in order. */
  send(messages: readonly Message[]): void;
}

interface Follower {
  /** A notice that waits. */
  held: Message | undefined;
  /** When the last append with entries was sent, and how long after the one before. */
  appendedMs: number;
  distanceMs: number;
  /** The last entry that it has forwarded. */
  awaited: Index;
  /** The last commit index that it was told. */
  told: Index;
}

export class CommitNotices {
  readonly #deps: CommitNoticesDeps;
  readonly #followers = new Map<MemberID, Follower>();
  #held = 0;
  #isDeferred = false;
  #timer: Timer | undefined;

  constructor(deps: CommitNoticesDeps) {
    this.#deps = deps;
  }

  /** Leadership has changed: nothing that waits is true any more. */
  reset(): void {
    this.#followers.clear();
    this.#held = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** This leader has appended a proposal of another member; its log ends at `index` now. */
  forwarded(from: MemberID, index: Index): void {
    this.#follower(from).awaited = index;
  }

  /** Sends what waits. */
  release(): void {
    const due: Message[] = [];
    for (const follower of this.#followers.values()) this.#release(follower, due);
    if (due.length > 0) this.#deps.send(due);
  }

  /** Sends what need not wait. */
  send(messages: readonly Message[]): void {
    const due: Message[] = [];
    for (const message of messages) this.#pass(message, due);
    if (this.#held === 0) {
      this.#timer?.cancel();
      this.#timer = undefined;
    }
    if (due.length > 0) this.#deps.send(due);
  }

  #pass(message: Message, due: Message[]): void {
    const follower = this.#follower(message.to);
    if (message.type !== MessageType.MsgApp) {
      this.#release(follower, due);
    } else {
      // Whatever it says, it says a commit index that is no lower.
      this.#forget(follower);
      if (message.entries.length > 0) this.#appended(follower);
      else if (follower.awaited <= follower.told && message.commit > follower.told) {
        this.#hold(follower, message);
        return;
      }
      follower.told = message.commit;
    }
    due.push(message);
  }

  #appended(follower: Follower): void {
    const nowMs = this.#deps.clock.nowMs();
    follower.distanceMs = nowMs - follower.appendedMs;
    follower.appendedMs = nowMs;
  }

  #hold(follower: Follower, notice: Message): void {
    follower.held = notice;
    this.#held++;
    if (follower.distanceMs > NOTICE_HOLD_MS) this.#releaseNextTurn();
    else {
      this.#timer ??= this.#deps.clock.setTimer(NOTICE_HOLD_MS, () => {
        this.#timer = undefined;
        this.release();
      });
    }
  }

  #releaseNextTurn(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#deps.defer(() => {
      this.#isDeferred = false;
      this.release();
    });
  }

  #release(follower: Follower, due: Message[]): void {
    const { held } = follower;
    if (held === undefined) return;
    this.#forget(follower);
    follower.told = held.commit;
    due.push(held);
  }

  #forget(follower: Follower): void {
    if (follower.held === undefined) return;
    follower.held = undefined;
    this.#held--;
  }

  #follower(id: MemberID): Follower {
    let follower = this.#followers.get(id);
    if (follower === undefined) {
      follower = {
        held: undefined,
        appendedMs: Number.NEGATIVE_INFINITY,
        distanceMs: Number.POSITIVE_INFINITY,
        awaited: 0,
        told: 0,
      };
      this.#followers.set(id, follower);
    }
    return follower;
  }
}
