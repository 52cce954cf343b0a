/**
 * A bench for single members and small groups in tests: make one with a given log, hand it
 * messages, and see what it wants done. Storage work is done at once unless a test holds it back.
 */
import { type Entry, type Message, MessageType, type Snapshot } from "../../api/gen/raft.ts";
import { bytesFromUtf8, EMPTY_BYTES, utf8FromBytes } from "../../base/bytes.ts";
import type { MemberID, Term } from "../../base/ids.ts";
import { confChangeOf } from "../confchange/conf-change.ts";
import { snapshotIndex } from "../log-unstable.ts";
import { newMessage } from "../messages.ts";
import { RawNode } from "../raw-node.ts";
import { emptyConfState, MemoryStorage, newSnapshot } from "../storage.ts";
import type { RaftConfig, RaftLogger, Ready } from "../types.ts";

export const SILENT_LOGGER: RaftLogger = {
  enabled: () => false,
  debug() {},
  info() {},
  warning() {},
  error() {},
};

export interface LabOptions extends Partial<Omit<RaftConfig, "id" | "storage">> {
  readonly id?: MemberID;
  readonly voters?: readonly MemberID[];
  readonly learners?: readonly MemberID[];
  /** Terms of the entries in the log, from index 1 on. */
  readonly log?: readonly Term[];
  /** The term it starts in. Default: that of its last entry. */
  readonly term?: Term;
  readonly vote?: MemberID;
  readonly commit?: number;
}

export class Lab {
  readonly id: MemberID;
  readonly node: RawNode;
  readonly storage = new MemoryStorage();
  readonly applied: Entry[] = [];
  /** Read states handed out so far, as context=index. */
  readonly reads: string[] = [];

  constructor(options: LabOptions = {}) {
    const { id = 1n, voters = [1n, 2n, 3n], learners = [], log = [], ...rest } = options;
    this.id = id;
    const confState = { ...emptyConfState(), voters: [...voters], learners: [...learners] };
    // Index 0 cannot carry a configuration in a snapshot, so it is given with the initial state.
    const initial = { hardState: { term: 0, vote: 0n, commit: 0 }, confState };
    this.storage.initialState = () => initial;
    this.storage.append(entriesOf(log));
    initial.hardState = {
      term: options.term ?? log.at(-1) ?? 0,
      vote: options.vote ?? 0n,
      commit: options.commit ?? 0,
    };
    this.node = new RawNode({
      electionTicks: 10,
      heartbeatTicks: 1,
      maxSizePerMsgBytes: Number.POSITIVE_INFINITY,
      maxInflightMsgs: 256,
      random: { below: () => 0, fill: (target) => target },
      logger: SILENT_LOGGER,
      ...rest,
      id,
      storage: this.storage,
    });
  }

  get term(): Term {
    return this.node.basicStatus().term;
  }

  get commit(): number {
    return this.node.basicStatus().commit;
  }

  get state(): string {
    return this.node.basicStatus().state;
  }

  /** Hands over a message and returns what it sends in answer. */
  receive(message: Message): Message[] {
    this.node.step(message);
    return this.work();
  }

  /** Does all work that is due (synchronous mode) and returns the messages to others. */
  work(): Message[] {
    const sent: Message[] = [];
    while (this.node.hasReady()) sent.push(...this.#handle(this.node.ready()));
    return sent;
  }

  tick(count = 1): Message[] {
    const sent: Message[] = [];
    for (let i = 0; i < count; i++) {
      this.node.tick();
      sent.push(...this.work());
    }
    return sent;
  }

  propose(...data: string[]): Message[] {
    const entries = data.map((text) => ({ type: 0, term: 0, index: 0, data: bytesFromUtf8(text) }));
    this.node.propose(entries);
    return this.work();
  }

  /** Makes it the leader by the votes of everybody. */
  lead(): this {
    this.node.campaign();
    this.work();
    for (const voter of this.node.status().config.incoming) {
      if (this.state === "StateLeader") break;
      if (voter === this.id) continue;
      this.receive(message(MessageType.MsgVoteResp, voter, this.id, { term: this.term }));
    }
    return this;
  }

  /** The terms of its whole log. */
  terms(): Term[] {
    const { log } = this.node.raft;
    const last = log.lastIndex();
    return Array.from({ length: last }, (_, i) => log.term(i + 1) ?? 0);
  }

  #handle(ready: Ready): Message[] {
    if (ready.hardState !== undefined) this.storage.setHardState(ready.hardState);
    if (ready.snapshot !== undefined && snapshotIndex(ready.snapshot) > 0) {
      this.storage.applySnapshot(ready.snapshot);
    }
    this.storage.append(ready.entries);
    for (const { index, requestContext } of ready.readStates) {
      this.reads.push(`${utf8FromBytes(requestContext)}=${index}`);
    }
    for (const entry of ready.committedEntries) {
      const change = confChangeOf(entry);
      if (change !== undefined) this.node.applyConfChange(change);
      this.applied.push(entry);
    }
    this.node.advance();
    return ready.messages;
  }
}

/** A message with the given fields. */
export function message(
  type: MessageType,
  from: MemberID,
  to: MemberID,
  fields: Partial<Message> = {},
): Message {
  return { ...newMessage(type, to, from), ...fields };
}

/** Entries with these terms, from `first` on. */
export function entriesOf(terms: readonly Term[], first = 1): Entry[] {
  return terms.map((term, i) => ({ type: 0, term, index: first + i, data: EMPTY_BYTES }));
}

/** Lets members talk until they have nothing to say; messages that `drop` names get lost. */
export function talk(
  labs: readonly Lab[],
  started: readonly Message[],
  drop: (message: Message) => boolean = () => false,
): void {
  const queue = [...started, ...labs.flatMap((lab) => lab.work())];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { to } = next;
    if (!drop(next)) queue.push(...(labs.find((lab) => lab.id === to)?.receive(next) ?? []));
  }
}

export function emptySnapshotAt(index: number, term: Term, voters: readonly MemberID[]): Snapshot {
  return newSnapshot(index, term, { ...emptyConfState(), voters: [...voters] }, EMPTY_BYTES);
}
