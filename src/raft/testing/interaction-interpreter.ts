/**
 * Transcripts about whole groups: members 1..n, a network that delivers only when told to, and
 * storage work that happens only when told to. One method per command; see `#commands`.
 */
import {
  type ConfChange,
  ConfChangeTransition,
  type ConfChangeV2,
  type Message,
  MessageType,
} from "../../api/gen/raft.ts";
import { bytesFromUtf8, EMPTY_BYTES } from "../../base/bytes.ts";
import type { MemberID } from "../../base/ids.ts";
import type { AnyConfChange } from "../confchange/conf-change.ts";
import { formatEntries, formatMessage, formatProgressMap, formatReady } from "./format.ts";
import { isStorageThread, newEntry, newMessage } from "../messages.ts";
import type { RawNode } from "../raw-node.ts";
import { ERR_PROPOSAL_DROPPED, LogError, type ProposeResult } from "../types.ts";
import { parseConfChanges } from "./conf-change-text.ts";
import type { Interpreter, TranscriptCommand } from "./datadriven.ts";
import { InteractionNode } from "./interaction-node.ts";
import { parseNodeOptions } from "./node-options.ts";
import { TranscriptLog } from "./transcript-log.ts";

/** A command that is used wrongly or fails; the text becomes the command's output. */
class CommandError extends Error {}

interface Recipient {
  readonly id: MemberID;
  readonly drop: boolean;
}

export class InteractionInterpreter implements Interpreter {
  readonly #nodes: InteractionNode[] = [];
  readonly #log = new TranscriptLog();
  /** Messages under way, in the order in which they were sent. */
  #messages: Message[] = [];

  readonly #commands: Readonly<Record<string, (command: TranscriptCommand) => void>> = {
    _breakpoint: () => {},
    "add-nodes": (command) => this.#addNodes(command),
    campaign: (command) => this.#first(command).node.campaign(),
    compact: (command) => this.#compact(command),
    "deliver-msgs": (command) => this.#deliver(command),
    "forget-leader": (command) => this.#first(command).node.forgetLeader(),
    "log-level": (command) => this.#setLogLevel(command.args[0]?.key ?? ""),
    "process-append-thread": (command) =>
      this.#each(command, "processing append thread", (node) => this.#processAppend(node)),
    "process-apply-thread": (command) =>
      this.#each(command, "processing apply thread", (node) => this.#processApply(node)),
    "process-ready": (command) =>
      this.#each(command, "handling Ready", (node) => this.#processReady(node)),
    propose: (command) => this.#propose(command),
    "propose-conf-change": (command) => this.#proposeConfChange(command),
    "raft-log": (command) => this.#printLog(this.#first(command)),
    "raft-state": () => this.#printState(),
    "read-index": (command) =>
      this.#first(command).node.readIndex(bytesFromUtf8(command.args[1]?.key ?? "")),
    "report-snapshot": (command) => this.#reportSnapshot(command),
    "report-unreachable": (command) => this.#reportUnreachable(command),
    "send-snapshot": (command) => this.#sendSnapshot(command),
    "set-randomized-election-timeout": (command) => this.#setElectionTimeout(command),
    stabilize: (command) => this.#stabilizeCommand(command),
    status: (command) =>
      this.#log.write(formatProgressMap(this.#first(command).node.status().progress)),
    tick: (command) => this.#tick(this.#first(command), Number(command.args[1]?.key ?? "1")),
    "tick-election": (command) => {
      const node = this.#first(command);
      this.#tick(node, node.config.electionTicks);
    },
    "tick-heartbeat": (command) => {
      const node = this.#first(command);
      this.#tick(node, node.config.heartbeatTicks);
    },
    "transfer-leadership": (command) => this.#transferLeadership(command),
  };

  run(command: TranscriptCommand): string {
    this.#log.take();
    const handler = this.#commands[command.name];
    try {
      if (handler === undefined) throw new CommandError("unknown command");
      handler(command);
    } catch (error) {
      if (!(error instanceof CommandError || error instanceof LogError)) throw error;
      if (this.#log.quiet) return error.message;
      this.#log.write(error.message);
    }
    const output = this.#log.take();
    return output === "" ? "ok" : output;
  }

  #addNodes(command: TranscriptCommand): void {
    const count = Number(command.args[0]?.key);
    const { options, snapshot, bootstrap } = parseNodeOptions(command);
    if (bootstrap && (snapshot.metadata?.index ?? 0) <= 1) {
      throw new CommandError("index must be specified as > 1 due to bootstrap");
    }
    for (let i = 0; i < count; i++) {
      const id = BigInt(this.#nodes.length + 1);
      this.#nodes.push(new InteractionNode({ ...options, id, logger: this.#log }, snapshot));
    }
  }

  #propose(command: TranscriptCommand): void {
    const data = bytesFromUtf8(command.args[1]?.key ?? "");
    accept(this.#first(command).node.propose([newEntry(0, data)]));
  }

  #proposeConfChange(command: TranscriptCommand): void {
    const changes = parseConfChanges(command.input);
    if (typeof changes === "string") throw new CommandError(changes);
    const transition = transitionOf(argumentValue(command, "transition") ?? "auto");
    let change: AnyConfChange;
    if (argumentValue(command, "v1") === "true") {
      const [only] = changes;
      if (only === undefined || changes.length > 1 || transition !== 0) {
        throw new CommandError("v1 conf change can only have one operation and no transition");
      }
      change = { ...only, id: 0n, context: EMPTY_BYTES } satisfies ConfChange;
    } else {
      change = { transition, changes, context: EMPTY_BYTES } satisfies ConfChangeV2;
    }
    accept(this.#first(command).node.proposeConfChange(change));
  }

  #processReady(node: InteractionNode): void {
    const ready = node.node.ready();
    this.#log.write(formatReady(ready));
    const isAsync = node.config.asyncStorageWrites === true;
    if (!isAsync) {
      const hardState = ready.hardState ?? { term: 0, vote: 0n, commit: 0 };
      node.persist(hardState, ready.entries, ready.snapshot);
      node.apply(ready.committedEntries);
    }
    for (const message of ready.messages) {
      if (message.type === MessageType.MsgStorageAppend) node.appendWork.push(message);
      else if (message.type === MessageType.MsgStorageApply) node.applyWork.push(message);
      else this.#messages.push(message);
    }
    if (!isAsync) node.node.advance();
  }

  #processAppend(node: InteractionNode): void {
    const work = this.#beginWork(node.appendWork, "append");
    if (work === undefined) return;
    const { term, vote, commit } = work;
    node.persist({ term, vote, commit }, work.entries, work.snapshot);
    this.#finishWork(work);
  }

  #processApply(node: InteractionNode): void {
    const work = this.#beginWork(node.applyWork, "apply");
    if (work === undefined) return;
    node.apply(work.entries);
    this.#finishWork(work);
  }

  #beginWork(queue: Message[], kind: string): Message | undefined {
    const work = queue.shift();
    if (work === undefined) this.#log.write(`no ${kind} work to perform`);
    else this.#log.write(`Processing:\n${formatMessage({ ...work, responses: [] })}\n`);
    return work;
  }

  #finishWork(work: Message): void {
    this.#log.write("Responses:\n");
    for (const response of work.responses) this.#log.write(`${formatMessage(response)}\n`);
    this.#messages.push(...work.responses);
  }

  #deliver(command: TranscriptCommand): void {
    const recipients: Recipient[] = [];
    for (const { key, values } of command.args) {
      if (values.length === 0) recipients.push({ id: BigInt(key), drop: false });
      if (key === "drop") {
        recipients.push(...values.map((id) => ({ id: BigInt(id), drop: true })));
      }
    }
    const typeName = argumentValue(command, "type");
    const type = typeName === undefined ? undefined : messageTypeOf(typeName);
    let count = 0;
    for (const recipient of recipients) count += this.#deliverTo(recipient, type);
    if (count === 0) this.#log.write("no messages\n");
  }

  #deliverTo(recipient: Recipient, type?: number): number {
    const matches = (message: Message): boolean => this.#concerns(message, recipient, type);
    const delivered = this.#messages.filter(matches);
    this.#messages = this.#messages.filter((message) => !matches(message));
    for (const message of delivered) {
      this.#log.write(`${recipient.drop ? "dropped: " : ""}${formatMessage(message)}\n`);
      if (recipient.drop) continue;
      const error = this.#node(message.to).node.step(message);
      if (error !== undefined) this.#log.write(`${error.message}\n`);
    }
    return delivered.length;
  }

  #concerns(message: Message, { id, drop }: Recipient, type: number | undefined): boolean {
    if (message.to !== id || (type !== undefined && message.type !== type)) return false;
    // What a member tells itself never crosses the network, so it cannot be lost there.
    const isLocal = message.from === message.to || isStorageThread(message.from);
    return !(drop && isLocal);
  }

  #stabilizeCommand(command: TranscriptCommand): void {
    const ids = nodeIDs(command);
    const nodes = ids.length > 0 ? ids.map((id) => this.#node(id)) : this.#nodes;
    const level = argumentValue(command, "log-level");
    const before = this.#log.level;
    if (level !== undefined) this.#setLogLevel(level);
    try {
      while (this.#stabilizeOnce(nodes));
    } finally {
      this.#log.setLevel(before);
    }
  }

  /** One round: readies, messages, append threads, apply threads. False when nothing was left. */
  #stabilizeOnce(nodes: readonly InteractionNode[]): boolean {
    let worked = false;
    const phase = (
      title: string,
      isDue: (node: InteractionNode) => boolean,
      work: (node: InteractionNode) => void,
    ): void => {
      for (const node of nodes) {
        if (!isDue(node)) continue;
        worked = true;
        this.#log.write(`> ${node.config.id} ${title}\n`);
        do this.#log.indented(() => work(node));
        while (title.endsWith("thread") && isDue(node));
      }
    };
    phase(
      "handling Ready",
      ({ node }) => node.hasReady(),
      (node) => this.#processReady(node),
    );
    phase(
      "receiving messages",
      ({ config }) => this.#messages.some((message) => message.to === config.id),
      ({ config }) => this.#deliverTo({ id: config.id, drop: false }),
    );
    phase(
      "processing append thread",
      (node) => node.appendWork.length > 0,
      (node) => this.#processAppend(node),
    );
    phase(
      "processing apply thread",
      (node) => node.applyWork.length > 0,
      (node) => this.#processApply(node),
    );
    return worked;
  }

  #compact(command: TranscriptCommand): void {
    const node = this.#first(command);
    node.storage.compact(Number(command.args[1]?.key));
    this.#printLog(node);
  }

  #printLog({ storage }: InteractionNode): void {
    const first = storage.firstIndex();
    const last = storage.lastIndex();
    if (last < first) {
      this.#log.write(`log is empty: first index=${first}, last index=${last}`);
    } else {
      this.#log.write(formatEntries(storage.entries(first, last + 1, Number.POSITIVE_INFINITY)));
    }
  }

  #printState(): void {
    for (const { node } of this.#nodes) {
      const { id, state, term, lead, config } = node.status();
      const isVoter = config.incoming.includes(id) || config.outgoing.includes(id);
      const voter = isVoter ? "(Voter)" : "(Non-Voter)";
      this.#log.write(`${id}: ${state} ${voter} Term:${term} Lead:${lead}\n`);
    }
  }

  #reportSnapshot(command: TranscriptCommand): void {
    const [reporter, reported] = nodeIDs(command);
    const ok = argumentValue(command, "ok") !== "false";
    this.#node(reporter).node.reportSnapshot(this.#node(reported).config.id, ok);
  }

  #reportUnreachable(command: TranscriptCommand): void {
    const [reporter, reported, ...rest] = nodeIDs(command);
    if (reporter === undefined || reported === undefined || rest.length > 0) {
      throw new CommandError(
        "must specify exactly two node indexes: node on which to report, and reported node",
      );
    }
    this.#node(reporter).node.reportUnreachable(reported);
  }

  #sendSnapshot(command: TranscriptCommand): void {
    const [from, to] = nodeIDs(command);
    const sender = this.#node(from);
    const message = newMessage(MessageType.MsgSnap, this.#node(to).config.id, sender.config.id);
    message.term = sender.node.basicStatus().term;
    message.snapshot = sender.storage.lastSnapshot();
    this.#messages.push(message);
    this.#log.write(formatMessage(message));
  }

  #setElectionTimeout(command: TranscriptCommand): void {
    const timeout = Number(argumentValue(command, "timeout"));
    this.#first(command).node.raft.randomizedElectionTimeout = timeout;
  }

  #transferLeadership(command: TranscriptCommand): void {
    const from = this.#node(BigInt(argumentValue(command, "from") ?? "0"));
    const to = this.#node(BigInt(argumentValue(command, "to") ?? "0"));
    from.node.transferLeader(to.config.id);
  }

  #tick({ node }: { readonly node: RawNode }, count: number): void {
    for (let i = 0; i < count; i++) node.tick();
  }

  #setLogLevel(name: string): void {
    if (!this.#log.setLevel(name)) {
      throw new CommandError("log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]");
    }
  }

  /** Runs `work` for each named member; with a header and indentation when there are several. */
  #each(command: TranscriptCommand, title: string, work: (node: InteractionNode) => void): void {
    const ids = nodeIDs(command);
    for (const id of ids) {
      const node = this.#node(id);
      if (ids.length === 1) {
        work(node);
      } else {
        this.#log.write(`> ${id} ${title}\n`);
        this.#log.indented(() => work(node));
      }
    }
  }

  #first(command: TranscriptCommand): InteractionNode {
    return this.#node(nodeIDs({ ...command, args: command.args.slice(0, 1) })[0]);
  }

  #node(id: MemberID | undefined): InteractionNode {
    const node = this.#nodes[Number(id ?? 0n) - 1];
    if (node === undefined) throw new CommandError(`no member ${id ?? "named"}`);
    return node;
  }
}

function accept(result: ProposeResult): void {
  if (result === "dropped") throw new CommandError(ERR_PROPOSAL_DROPPED.message);
}

function nodeIDs(command: TranscriptCommand): MemberID[] {
  return command.args.filter(({ values }) => values.length === 0).map(({ key }) => BigInt(key));
}

function argumentValue(command: TranscriptCommand, key: string): string | undefined {
  return command.args.find((arg) => arg.key === key)?.values[0];
}

function messageTypeOf(name: string): number {
  const type = (MessageType as Readonly<Record<string, number>>)[name];
  if (type === undefined) throw new CommandError(`unknown message type ${name}`);
  return type;
}

function transitionOf(name: string): ConfChangeTransition {
  switch (name) {
    case "auto":
      return ConfChangeTransition.ConfChangeTransitionAuto;
    case "implicit":
      return ConfChangeTransition.ConfChangeTransitionJointImplicit;
    case "explicit":
      return ConfChangeTransition.ConfChangeTransitionJointExplicit;
    default:
      throw new CommandError(`unknown transition ${name}`);
  }
}
