/** What both streams between members share: lengths, limits, and the heartbeat of the link. */
import { type Message, MessageType } from "../../api/gen/raft.ts";
import { DecodeError } from "../../base/wire.ts";

/** Bytes on a stream that are no message. The connection is of no use any more. */
export class PeerStreamError extends Error {
  readonly kind: "malformed" | "tooLong";
  constructor(message: string, kind: "malformed" | "tooLong" = "malformed") {
    super(message);
    this.name = "PeerStreamError";
    this.kind = kind;
  }
}

export const LENGTH_BYTES = 8;
const TWO_32 = 0x1_0000_0000;

/** Encodes for one connection; what it remembers between calls is part of the wire's state. */
export interface StreamEncoder {
  /** All messages in one buffer. */
  encode(messages: readonly Message[]): Buffer;
  /** Says that the link is alive; nobody above hears of it. */
  readonly heartbeat: Uint8Array;
}

export interface StreamDecoder {
  /** Takes ownership; entries may go on to be views of it. */
  push(chunk: Uint8Array): void;
  /**
   * The next complete message; undefined until more bytes arrive.
   * @throws PeerStreamError for anything that is no message; call nothing afterwards.
   */
  next(): Message | undefined;
}

/** Puts an unsigned 64-bit big-endian number before `at`; returns the new start. */
export function prependLength(target: Buffer, at: number, value: number): number {
  target.writeUInt32BE(value >>> 0, at - 4);
  target.writeUInt32BE(Math.floor(value / TWO_32), at - 8);
  return at - LENGTH_BYTES;
}

/** An unsigned 64-bit big-endian number; Infinity beyond the safe integers. */
export function readLength(buffer: Buffer, at: number): number {
  const high = buffer.readUInt32BE(at);
  if (high > 0x1f_ffff) return Number.POSITIVE_INFINITY;
  return high * TWO_32 + buffer.readUInt32BE(at + 4);
}

export function checkLength(length: number, limit: number, what: string): number {
  if (length <= limit) return length;
  throw new PeerStreamError(`${what} of ${length} exceeds the limit of ${limit}`, "tooLong");
}

/** The words of a decoder that failed, as an error of the stream; other errors stay. */
export function asStreamError(error: unknown): unknown {
  return error instanceof DecodeError ? new PeerStreamError(error.message) : error;
}

/** Raft never sends a message without sender and receiver, so this one is the link's own. */
export function isLinkHeartbeat(message: Message): boolean {
  return message.type === MessageType.MsgHeartbeat && message.from === 0n && message.to === 0n;
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(MessageType).map(([name, value]) => [value, name]),
);

export function messageName(type: MessageType): string {
  return NAMES.get(type) ?? String(type);
}
