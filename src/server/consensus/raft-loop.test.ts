/** In which order a member does what raft asks for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryType, MessageType } from "../../api/gen/raft.ts";
import { NullLogger, SeededRandom, VirtualClock } from "../../env/testing/index.ts";
import { MemoryStorage, newMessage, RawNode } from "../../raft/index.ts";
import { raftLogger } from "./raft-logger.ts";
import { RaftLoop, type RaftLoopHandlers } from "./raft-loop.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Handlers of which two write down that they were called. */
function writingDown(done: string[]): RaftLoopHandlers {
  return {
    apply: ({ index }) => void done.push(`${index} is applied`),
    changesMade: () => 0,
    afterApply: () => {},
    canApply: () => true,
    readStates: () => {},
    softState: () => {},
    send: (messages) => {
      for (const { type, index } of messages) {
        if (type === MessageType.MsgAppResp) done.push(`${index} is acknowledged`);
      }
    },
    proposalTaken: () => {},
    proposalDropped: () => {},
    saveSnapshot: () => Promise.resolve(),
    installSnapshot: () => Promise.resolve(),
    storageFull: () => {},
    fatal: (error) => assert.fail(error),
  };
}

/** Member 1, a follower of 2, which writes down what it does. */
function follower() {
  const done: string[] = [];
  const storage = new MemoryStorage();
  const node = new RawNode({
    id: 1n,
    electionTicks: 10,
    heartbeatTicks: 1,
    storage,
    asyncStorageWrites: true,
    maxSizePerMsgBytes: 1_000_000,
    maxInflightMsgs: 256,
    random: new SeededRandom(1),
    logger: raftLogger(new NullLogger()),
  });
  const loop = new RaftLoop({
    node,
    id: 1n,
    storage,
    wal: {
      lastIndex: 0,
      keep: () => {},
      // All saves of one stretch of code share a write, which comes behind it.
      save: async (_state, entries) => {
        await Promise.resolve();
        done.push(`sync of ${entries.map(({ index }) => index).join()} begins`);
      },
      sync: () => Promise.resolve(),
    },
    logger: new NullLogger(),
    defer: setImmediate,
    clock: new VirtualClock(),
    unitsPerStretch: 1_000,
    handlers: writingDown(done),
  });
  const append = (index: number, commit: number): Promise<unknown> => {
    const entry = { type: EntryType.EntryNormal, term: 1, index, data: new Uint8Array(0) };
    const message = newMessage(MessageType.MsgApp, 1n, 2n);
    const previous = { index: index - 1, logTerm: index === 1 ? 0 : 1 };
    loop.receive({ ...message, term: 1, ...previous, commit, entries: [entry] });
    loop.process();
    return turn();
  };
  return { append, done };
}

test("what is applied does not hold up the sync of what came with it", async () => {
  const { append, done } = follower();
  await append(1, 0);
  await append(2, 1);
  assert.deepEqual(done, [
    "sync of 1 begins",
    "1 is acknowledged",
    "sync of 2 begins",
    "1 is applied",
    "2 is acknowledged",
  ]);
});
