/**
 * The streams of a connection: the open ones, which ids have been used, and which this side has
 * reset.
 */
import { IdTable } from "../../base/id-table.ts";
import { ResetMemory } from "./reset-memory.ts";
import type { Http2Stream } from "./stream.ts";

/** RFC 9113, section 5.1.1: stream identifiers have 31 bits. */
const MAX_STREAM_ID = 0x7fff_ffff;

export class StreamTable {
  readonly #streams = new IdTable<Http2Stream>();
  readonly #resetByUs = new ResetMemory();
  #lastUsed: Http2Stream | undefined;
  /** Highest id opened by the client, whichever side we are. */
  #lastId: number;
  #lingering = 0;

  /** `firstId`: the first that a client opens. */
  constructor(firstId: number) {
    this.#lastId = firstId - 2;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Streams that count against the limit of concurrent streams. */
  get active(): number {
    return this.#streams.size + this.#lingering;
  }

  /** Highest id that the client has opened. */
  get lastId(): number {
    return Math.max(this.#lastId, 0);
  }

  /** A call goes on whose stream has gone; it counts as a stream until `left`. */
  linger(): void {
    this.#lingering += 1;
  }

  left(): void {
    this.#lingering -= 1;
  }

  get(id: number): Http2Stream | undefined {
    const last = this.#lastUsed;
    if (last !== undefined && last.id === id) return last;
    const stream = this.#streams.get(id);
    if (stream !== undefined) this.#lastUsed = stream;
    return stream;
  }

  /** The oldest first. */
  values(): Http2Stream[] {
    return this.#streams.values().sort((a, b) => a.id - b.id);
  }

  /** Never opened: frames on it, other than a request head, are connection errors. */
  isIdle(id: number): boolean {
    return id > this.#lastId || (id & 1) === 0;
  }

  /** Client: the id of the next stream; undefined when all are used (RFC 9113 5.1.1). */
  takeId(): number | undefined {
    if (this.#lastId + 2 > MAX_STREAM_ID) return undefined;
    this.#lastId += 2;
    return this.#lastId;
  }

  /** Server: the client uses a new id, which need not become a stream. */
  used(id: number): void {
    this.#lastId = id;
  }

  add(stream: Http2Stream): void {
    this.#streams.set(stream.id, stream);
    this.#lastUsed = stream;
  }

  /** False when the stream has gone before. */
  remove(stream: Http2Stream): boolean {
    if (!stream.leave()) return false;
    this.#streams.delete(stream.id);
    if (this.#lastUsed === stream) this.#lastUsed = undefined;
    return true;
  }

  /** Empties the table. The streams have still to leave. */
  takeAll(): Http2Stream[] {
    const streams = this.values();
    this.#streams.clear();
    this.#lastUsed = undefined;
    return streams;
  }

  /** This side resets a stream, or refuses to open it. */
  resetByUs(id: number): void {
    this.#resetByUs.add(id);
  }

  /** Late frames of the peer on it are no breach. */
  forgives(id: number): boolean {
    return this.#resetByUs.has(id);
  }

  /** The peer has reset it: frames after that are no late frames. */
  resetByPeer(id: number): void {
    this.#resetByUs.forget(id);
  }
}
