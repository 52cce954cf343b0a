/**
 * The state of the ways between members, and between clients and members. A way has a direction:
 * "m0>m1" carries what m0 says to m1, on whoever's connection; "clients>m0" and "m0>clients" are
 * those of the clients.
 *
 * A cut way is silent: bytes wait and arrive after healing, as TCP delivers them after a partition,
 * unless the connection is dropped meanwhile.
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";

export const CLIENTS = "clients";

export interface LinkState {
  readonly isCut: boolean;
  readonly delayMs: number;
  /** 0: as fast as it goes. */
  readonly bytesPerSecond: number;
}

const GOOD: LinkState = { isCut: false, delayMs: 0, bytesPerSecond: 0 };

/** Bytes that wait in one pipe before its source is stopped. */
const MAX_WAITING_BYTES = 1 << 20;

export class Links {
  readonly #states = new Map<string, LinkState>();
  readonly #changes = new EventEmitter();
  readonly #pipes = new Set<Pipe>();

  constructor() {
    this.#changes.setMaxListeners(0);
  }

  state(from: string | undefined, to: string | undefined): LinkState {
    if (from === undefined || to === undefined) return GOOD;
    return this.#states.get(`${from}>${to}`) ?? GOOD;
  }

  /** Changes one direction. */
  set(from: string, to: string, change: Partial<LinkState>): void {
    this.#states.set(`${from}>${to}`, { ...this.state(from, to), ...change });
    this.#changes.emit("change");
  }

  /** Changes both directions between all of `some` and all of `others`. */
  setBetween(some: readonly string[], others: readonly string[], change: Partial<LinkState>): void {
    for (const a of some) {
      for (const b of others) {
        if (a === b) continue;
        this.set(a, b, change);
        this.set(b, a, change);
      }
    }
  }

  /** Ends connections that carry one of these directions. */
  dropConnections(isMeant: (from: string, to: string) => boolean): number {
    let count = 0;
    for (const pipe of [...this.#pipes]) {
      if (pipe.from === undefined || pipe.to === undefined) continue;
      if (!isMeant(pipe.from, pipe.to)) continue;
      pipe.drop();
      count++;
    }
    return count;
  }

  heal(): void {
    this.#states.clear();
    this.#changes.emit("change");
  }

  onChange(listener: () => void): () => void {
    this.#changes.on("change", listener);
    return () => this.#changes.off("change", listener);
  }

  add(pipe: Pipe): void {
    this.#pipes.add(pipe);
  }

  remove(pipe: Pipe): void {
    this.#pipes.delete(pipe);
  }
}

interface Waiting {
  readonly chunk: Buffer;
  readonly dueMs: number;
}

/** One direction of one connection. */
export class Pipe {
  from: string | undefined;
  to: string | undefined;
  readonly #links: Links;
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #freeAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  readonly #forget: () => void;

  constructor(links: Links, source: Socket, target: Socket) {
    this.#links = links;
    this.#source = source;
    this.#target = target;
    this.#forget = links.onChange(() => this.#pump());
    links.add(this);
    source.on("end", () => {
      this.#ended = true;
      this.#pump();
    });
    target.on("drain", () => this.#pump());
    source.once("close", () => this.#close());
  }

  push(chunk: Buffer): void {
    const { delayMs, bytesPerSecond } = this.#links.state(this.from, this.to);
    const nowMs = performance.now();
    const costMs = bytesPerSecond === 0 ? 0 : (chunk.length / bytesPerSecond) * 1000;
    this.#freeAtMs = Math.max(this.#freeAtMs, nowMs + delayMs) + costMs;
    this.#waiting.push({ chunk, dueMs: this.#freeAtMs });
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes > MAX_WAITING_BYTES) this.#source.pause();
    this.#pump();
  }

  drop(): void {
    this.#source.destroy();
    this.#target.destroy();
  }

  #pump(): void {
    if (this.#links.state(this.from, this.to).isCut || this.#target.destroyed) return;
    const nowMs = performance.now();
    while (this.#waiting.length > 0 && !this.#target.writableNeedDrain) {
      const [first] = this.#waiting;
      if (first === undefined || first.dueMs > nowMs) break;
      this.#waiting.shift();
      this.#waitingBytes -= first.chunk.length;
      this.#target.write(first.chunk);
    }
    if (this.#waitingBytes <= MAX_WAITING_BYTES && this.#source.isPaused()) this.#source.resume();
    clearTimeout(this.#timer);
    const next = this.#waiting[0];
    if (next !== undefined && next.dueMs > nowMs) {
      this.#timer = setTimeout(() => this.#pump(), next.dueMs - nowMs);
    }
    if (next === undefined && this.#ended) this.#target.end();
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#forget();
    this.#links.remove(this);
    // A peer that vanished behind a cut is not noticed before the cut heals.
    if (!this.#links.state(this.from, this.to).isCut && this.#waiting.length === 0) {
      this.#target.destroy();
      return;
    }
    const forget = this.#links.onChange(() => {
      if (this.#links.state(this.from, this.to).isCut) return;
      forget();
      this.#target.destroy();
    });
    this.#target.once("close", forget);
  }
}
