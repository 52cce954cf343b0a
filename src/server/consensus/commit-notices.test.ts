/** When followers hear of a commit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryType, type Message, MessageType } from "../../api/gen/raft.ts";
import { newMessage } from "../../raft/index.ts";
import { CommitNotices } from "./commit-notices.ts";

/** Followers 2 and 3 of a leader whose time stands still until it is moved. */
class Leader {
  nowMs = 0;
  readonly sent: Message[] = [];
  readonly #turn: (() => void)[] = [];
  readonly #timers: { readonly dueMs: number; readonly fire: () => void }[] = [];
  readonly notices = new CommitNotices({
    clock: {
      nowMs: () => this.nowMs,
      wallMs: () => this.nowMs,
      setTimer: (delayMs: number, fire: () => void) => {
        const timer = { dueMs: this.nowMs + delayMs, fire };
        this.#timers.push(timer);
        return { cancel: () => void this.#timers.splice(this.#timers.indexOf(timer), 1) };
      },
    },
    defer: (fire: () => void) => this.#turn.push(fire),
    send: (messages: readonly Message[]) => this.sent.push(...messages),
  });

  get timers(): number {
    return this.#timers.length;
  }

  /** Appends an entry, and tells both followers. */
  append(index: number, commit: number): void {
    const entry = { type: EntryType.EntryNormal, term: 5, index, data: new Uint8Array(0) };
    this.notices.send([2n, 3n].map((to) => this.#append(to, index - 1, commit, [entry])));
  }

  commit(index: number): void {
    this.notices.send([2n, 3n].map((to) => this.#append(to, index, index, [])));
  }

  nextTurn(): void {
    for (const fire of this.#turn.splice(0)) fire();
  }

  advance(ms: number): void {
    this.nowMs += ms;
    for (const timer of this.#timers.filter(({ dueMs }) => dueMs <= this.nowMs)) {
      this.#timers.splice(this.#timers.indexOf(timer), 1);
      timer.fire();
    }
  }

  /** What was sent since the last look: to whom, how many entries, which commit index. */
  look(): string[] {
    return this.sent
      .splice(0)
      .map(({ to, type, entries, commit }) =>
        type === MessageType.MsgApp
          ? `${to}: ${entries.length} entries, ${commit}`
          : `${to}: other`,
      );
  }

  #append(to: bigint, index: number, commit: number, entries: Message["entries"]): Message {
    return {
      ...newMessage(MessageType.MsgApp, to, 1n),
      term: 5,
      logTerm: 5,
      index,
      commit,
      entries,
    };
  }
}

test("the notice of a single write leaves in the next turn, behind the answer", () => {
  const leader = new Leader();
  leader.append(1, 0);
  assert.deepEqual(leader.look(), ["2: 1 entries, 0", "3: 1 entries, 0"]);
  leader.commit(1);
  assert.deepEqual(leader.look(), []);
  leader.nextTurn();
  assert.deepEqual(leader.look(), ["2: 0 entries, 1", "3: 0 entries, 1"]);
  leader.nextTurn();
  assert.deepEqual(leader.look(), []);
});

test("in a stream of writes the next append is the notice", () => {
  const leader = new Leader();
  leader.append(1, 0);
  leader.commit(1);
  leader.nextTurn();
  leader.nowMs = 1;
  leader.append(2, 1);
  leader.look();
  for (let index = 2; index <= 4; index++) {
    leader.commit(index);
    leader.nextTurn();
    assert.deepEqual(leader.look(), []);
    leader.nowMs++;
    leader.append(index + 1, index);
    assert.deepEqual(leader.look(), [`2: 1 entries, ${index}`, `3: 1 entries, ${index}`]);
    assert.equal(leader.timers, 0, "nothing waits any more");
  }
});

test("a notice for which no append comes leaves after two milliseconds", () => {
  const leader = new Leader();
  leader.append(1, 0);
  leader.nowMs = 1;
  leader.append(2, 0);
  leader.commit(2);
  leader.look();
  leader.advance(1);
  assert.deepEqual(leader.look(), []);
  leader.advance(1);
  assert.deepEqual(leader.look(), ["2: 0 entries, 2", "3: 0 entries, 2"]);
});

test("who has forwarded a proposal hears of its commit at once", () => {
  const leader = new Leader();
  leader.append(1, 0);
  leader.nowMs = 1;
  leader.append(2, 0);
  leader.notices.forwarded(3n, 2);
  leader.look();
  leader.commit(1);
  leader.commit(2);
  assert.deepEqual(leader.look(), ["3: 0 entries, 1", "3: 0 entries, 2"]);
  leader.append(3, 2);
  leader.look();
  leader.commit(3);
  assert.deepEqual(leader.look(), [], "nothing that it waits for");
});

test("who is told anything else hears of the commit before", () => {
  const leader = new Leader();
  leader.append(1, 0);
  leader.commit(1);
  leader.look();
  leader.notices.send([newMessage(MessageType.MsgReadIndexResp, 2n, 1n)]);
  assert.deepEqual(leader.look(), ["2: 0 entries, 1", "2: other"]);
  leader.nextTurn();
  assert.deepEqual(leader.look(), ["3: 0 entries, 1"]);
});

test("an append without entries that says nothing new is a question, and does not wait", () => {
  const leader = new Leader();
  leader.append(1, 0);
  leader.commit(1);
  leader.nextTurn();
  leader.look();
  leader.commit(1);
  assert.deepEqual(leader.look(), ["2: 0 entries, 1", "3: 0 entries, 1"]);
});

test("what waits when leadership changes is not sent", () => {
  const leader = new Leader();
  leader.append(1, 0);
  leader.nowMs = 1;
  leader.append(2, 0);
  leader.commit(2);
  leader.look();
  leader.notices.reset();
  leader.nextTurn();
  leader.advance(10);
  assert.deepEqual(leader.look(), []);
});
