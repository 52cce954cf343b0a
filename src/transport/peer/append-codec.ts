/**
 * The msgapp stream ("msgappv2"), which carries what a leader appends at its followers. One byte
 * says what follows:
 *
 *     0  heartbeat of the link
 *     1  entries that continue the log where the message before ended:
 *        count, then for each entry its length and itself, then the commit index
 *     2  a whole message, behind its length
 *
 * Numbers are 8 bytes big-endian. Both sides remember term and last index of what went over this
 * connection; kind 1 leaves out what follows from them. It is sent only for a message whose
 * `index`, `logTerm` and `term` are exactly these, so that the receiver rebuilds it as it was.
 */
import {
  type Entry,
  type Message,
  MessageType,
  prependEntry,
  prependMessage,
  readEntry,
  readMessage,
  sizeEntry,
  sizeMessage,
} from "../../api/gen/raft.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { Index, MemberID, Term } from "../../base/ids.ts";
import { ByteFeed } from "./byte-feed.ts";
import {
  asStreamError,
  checkLength,
  isLinkHeartbeat,
  LENGTH_BYTES,
  PeerStreamError,
  prependLength,
  readLength,
  type StreamDecoder,
  type StreamEncoder,
} from "./frame.ts";
import { MAX_APPEND_ENTRIES, MAX_PEER_MESSAGE_BYTES } from "./limits.ts";

const HEARTBEAT = 0;
const CONTINUATION = 1;
const WHOLE = 2;

/** The end of the last message. Term 0 at first, which no message has. */
interface LogPosition {
  term: Term;
  index: Index;
}

export class AppendEncoder implements StreamEncoder {
  readonly heartbeat: Uint8Array = Uint8Array.of(HEARTBEAT);
  readonly #last: LogPosition = { term: 0, index: 0 };

  encode(messages: readonly Message[]): Buffer {
    const count = messages.length;
    const continues: boolean[] = [];
    let size = 0;
    for (let i = 0; i < count; i++) {
      const message = messages[i] as Message;
      const follows = this.#follows(message);
      continues.push(follows);
      size += 1 + (follows ? continuationBytes(message) : LENGTH_BYTES + sizeMessage(message));
      this.#remember(message, follows);
    }
    const target = Buffer.allocUnsafe(size);
    let at = size;
    for (let i = count - 1; i >= 0; i--) {
      const message = messages[i] as Message;
      if (continues[i] === true) {
        at = prependContinuation(target, at, message);
        target[--at] = CONTINUATION;
      } else {
        const end = at;
        at = prependMessage(target, end, message);
        at = prependLength(target, at, end - at);
        target[--at] = WHOLE;
      }
    }
    return target;
  }

  #follows({ index, logTerm, term }: Message): boolean {
    return index === this.#last.index && logTerm === this.#last.term && term === logTerm;
  }

  #remember(message: Message, follows: boolean): void {
    this.#last.term = message.term;
    this.#last.index = follows ? message.index + message.entries.length : lastIndex(message);
  }
}

function lastIndex(message: Message): Index {
  return message.entries.at(-1)?.index ?? message.index;
}

function continuationBytes({ entries }: Message): number {
  let size = 2 * LENGTH_BYTES;
  for (let i = 0; i < entries.length; i++) size += LENGTH_BYTES + sizeEntry(entries[i] as Entry);
  return size;
}

function prependContinuation(target: Buffer, end: number, message: Message): number {
  const { entries } = message;
  let at = prependLength(target, end, message.commit);
  for (let i = entries.length - 1; i >= 0; i--) {
    const entryEnd = at;
    at = prependEntry(target, entryEnd, entries[i] as Entry);
    at = prependLength(target, at, entryEnd - at);
  }
  return prependLength(target, at, entries.length);
}

/** Which part of a message is due next. */
type Due = "kind" | "count" | "entryLength" | "entry" | "commit" | "messageLength" | "message";

export class AppendDecoder implements StreamDecoder {
  readonly #local: MemberID;
  readonly #remote: MemberID;
  readonly #limitBytes: number;
  readonly #feed = new ByteFeed();
  readonly #last: LogPosition = { term: 0, index: 0 };
  #due: Due = "kind";
  /** Of the entry or message that is due. */
  #length = 0;
  /** Entries of a continuation that have not come yet, those that have, and their bytes. */
  #missing = 0;
  #entries: Entry[] = [];
  #entriesBytes = 0;

  /** Continuations are from `remote` to `local`. The limit is for one message. */
  constructor(local: MemberID, remote: MemberID, limitBytes: number = MAX_PEER_MESSAGE_BYTES) {
    this.#local = local;
    this.#remote = remote;
    this.#limitBytes = limitBytes;
  }

  push(chunk: Uint8Array): void {
    this.#feed.push(chunk);
  }

  next(): Message | undefined {
    for (;;) {
      switch (this.#due) {
        case "kind":
          if (!this.#feed.take(1)) return undefined;
          this.#begin(this.#feed.buffer[this.#feed.start] as number);
          break;
        case "count":
          if (!this.#takeLength(MAX_APPEND_ENTRIES, "count of entries")) return undefined;
          this.#missing = this.#length;
          this.#due = this.#missing > 0 ? "entryLength" : "commit";
          break;
        case "entryLength": {
          const roomBytes = this.#limitBytes - this.#entriesBytes;
          if (!this.#takeLength(roomBytes, "entry size")) return undefined;
          this.#due = "entry";
          break;
        }
        case "entry":
          if (!this.#feed.take(this.#length)) return undefined;
          this.#addEntry();
          break;
        case "commit":
          if (!this.#takeLength(Number.MAX_SAFE_INTEGER, "commit index")) return undefined;
          return this.#continuation();
        case "messageLength":
          if (!this.#takeLength(this.#limitBytes, "message size")) return undefined;
          this.#due = "message";
          break;
        case "message": {
          if (!this.#feed.take(this.#length)) return undefined;
          const message = this.#whole();
          if (!isLinkHeartbeat(message)) return message;
          break;
        }
      }
    }
  }

  #begin(kind: number): void {
    if (kind === CONTINUATION) this.#due = "count";
    else if (kind === WHOLE) this.#due = "messageLength";
    else if (kind !== HEARTBEAT) {
      throw new PeerStreamError(`failed to parse type ${kind} in msgappv2 stream`);
    }
  }

  #takeLength(limit: number, what: string): boolean {
    const feed = this.#feed;
    if (!feed.take(LENGTH_BYTES)) return false;
    this.#length = checkLength(readLength(feed.buffer, feed.start), limit, what);
    return true;
  }

  #addEntry(): void {
    const { buffer, start } = this.#feed;
    try {
      this.#entries.push(readEntry(buffer, start, start + this.#length));
    } catch (error) {
      throw asStreamError(error);
    }
    this.#entriesBytes += this.#length;
    this.#missing--;
    this.#due = this.#missing > 0 ? "entryLength" : "commit";
  }

  #continuation(): Message {
    const { term, index } = this.#last;
    const entries = this.#entries;
    this.#entries = [];
    this.#entriesBytes = 0;
    this.#due = "kind";
    this.#last.index = index + entries.length;
    // All fields in the codec's order, so that it is of one kind with decoded messages.
    return {
      type: MessageType.MsgApp,
      to: this.#local,
      from: this.#remote,
      term,
      logTerm: term,
      index,
      entries,
      commit: this.#length,
      snapshot: undefined,
      reject: false,
      rejectHint: 0,
      context: EMPTY_BYTES,
      vote: 0n,
      responses: [],
    };
  }

  #whole(): Message {
    const { buffer, start } = this.#feed;
    this.#due = "kind";
    let message: Message;
    try {
      message = readMessage(buffer, start, start + this.#length, 0);
    } catch (error) {
      throw asStreamError(error);
    }
    this.#last.term = message.term;
    this.#last.index = lastIndex(message);
    return message;
  }
}
