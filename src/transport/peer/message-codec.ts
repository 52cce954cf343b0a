/**
 * The message stream: each message behind its length, 8 bytes big-endian. A snapshot's POST begins
 * with one such frame.
 */
import {
  Message,
  MessageType,
  prependMessage,
  readMessage,
  sizeMessage,
} from "../../api/gen/raft.ts";
import { copyBytes } from "../../base/bytes.ts";
import { ByteFeed } from "./byte-feed.ts";
import {
  asStreamError,
  checkLength,
  isLinkHeartbeat,
  LENGTH_BYTES,
  prependLength,
  readLength,
  type StreamDecoder,
  type StreamEncoder,
} from "./frame.ts";
import { MAX_PEER_MESSAGE_BYTES } from "./limits.ts";

/** Bytes that would keep so many times their size in memory are copied out of their chunk. */
const MAX_PINNED_FACTOR = 4;

export class MessageEncoder implements StreamEncoder {
  readonly heartbeat: Uint8Array = this.encode([
    Message.create({ type: MessageType.MsgHeartbeat }),
  ]);

  encode(messages: readonly Message[]): Buffer {
    let size = 0;
    for (let i = 0; i < messages.length; i++) {
      size += LENGTH_BYTES + sizeMessage(messages[i] as Message);
    }
    const target = Buffer.allocUnsafe(size);
    let at = size;
    for (let i = messages.length - 1; i >= 0; i--) {
      const end = at;
      at = prependMessage(target, end, messages[i] as Message);
      at = prependLength(target, at, end - at);
    }
    return target;
  }
}

export class MessageDecoder implements StreamDecoder {
  readonly #feed = new ByteFeed();
  readonly #limitBytes: number;
  /** Of the frame whose body is due; -1 while the length itself is. */
  #length = -1;

  constructor(limitBytes: number = MAX_PEER_MESSAGE_BYTES) {
    this.#limitBytes = limitBytes;
  }

  push(chunk: Uint8Array): void {
    this.#feed.push(chunk);
  }

  next(): Message | undefined {
    for (;;) {
      const message = this.nextFrame();
      if (message === undefined || !isLinkHeartbeat(message)) return message;
    }
  }

  /** As `next`, but the heartbeats of the link count as well. */
  nextFrame(): Message | undefined {
    const feed = this.#feed;
    if (this.#length < 0) {
      if (!feed.take(LENGTH_BYTES)) return undefined;
      const length = readLength(feed.buffer, feed.start);
      this.#length = checkLength(length, this.#limitBytes, "message size");
    }
    const length = this.#length;
    if (!feed.take(length)) return undefined;
    this.#length = -1;
    try {
      const message = readMessage(feed.buffer, feed.start, feed.start + length, 0);
      if (length * MAX_PINNED_FACTOR < feed.heldBytes) unpin(message);
      return message;
    } catch (error) {
      throw asStreamError(error);
    }
  }

  /** The bytes behind the last message. */
  rest(): Uint8Array[] {
    return this.#feed.drain();
  }
}

/** A proposal among thousands of small messages must not keep all of them in the log. */
function unpin(message: Message): void {
  for (const entry of message.entries) {
    if (entry.data.length > 0) entry.data = copyBytes(entry.data);
  }
  if (message.context.length > 0) message.context = copyBytes(message.context);
}
