/**
 * Calls that hold a member to what `src/env/rpc.ts` asks of who serves them, as a transport at its
 * worst would: what was borrowed is written over, a large answer is taken piece by piece while time
 * passes, answers lie there for a while before they leave, and an abandoned call must be ended, too.
 */
import { BODY_ROOM_BYTES, type ReplySource } from "../../src/env/index.ts";
import type { SeededRandom } from "../../src/env/testing/index.ts";
import {
  type Answer,
  type Metadata,
  SimStreamCall,
  SimUnaryCall,
  type StreamListener,
} from "../../src/testing/world/calls.ts";
import type { Actor } from "../../src/testing/world/scheduler.ts";
import type { World } from "../../src/testing/world/world.ts";

/** Whom a call belongs to. */
export interface Judge {
  readonly world: World;
  readonly random: SeededRandom;
  readonly actor: Actor;
}

/** Until what was handed over has left; the next transactions and answers come meanwhile. */
const LEAVING_MS = [0, 1, 40, 300, 2500];
/** Between two pieces of an answer. */
const PIECE_MS = [0.1, 1, 30, 400];
/** Room in the output for the beginning of a large answer. */
const DIRECT_ROOM_BYTES = [64, 2000, 9000, 400_000];
const ROOM_SHARE = 0.3;
const BORROWED_NO_MORE = 0xdb;
const INTERNAL = 13;

const running = new WeakMap<Actor, Set<JudgedCall>>();

/** Calls that this life of a member has taken and not answered, be they cancelled or not. */
export function unanswered(actor: Actor): readonly JudgedCall[] {
  return [...(running.get(actor) ?? [])];
}

/** From now on the bytes belong to the transport: they stay as they are until they have left. */
function mustStay({ world, random }: Judge, parts: readonly Uint8Array[], method: number): void {
  const before = parts.map((part) => Buffer.from(part));
  world.scheduler.at(random.pick(LEAVING_MS), "client", undefined, () => {
    const isChanged = parts.some((part, i) => before[i]?.equals(part) !== true);
    if (isChanged) world.violated(`bytes of an answer of method ${method} changed while it left`);
  });
}

/** Bytes that are the member's until `release`. */
class Borrowed {
  readonly bytes: Buffer;
  readonly #memory: Buffer;

  constructor(content: Uint8Array) {
    this.#memory = Buffer.alloc(content.length + 2 * BODY_ROOM_BYTES);
    this.bytes = this.#memory.subarray(BODY_ROOM_BYTES, BODY_ROOM_BYTES + content.length);
    this.bytes.set(content);
  }

  release(): void {
    this.#memory.fill(BORROWED_NO_MORE);
  }
}

export class JudgedCall extends SimUnaryCall {
  /** When the client asked. */
  readonly calledMs: number;
  readonly bodyHasRoom: boolean;
  /** The service has answered; until then it counts against its connection's limit. */
  hasEnded = false;
  readonly #judge: Judge;
  readonly #borrowed: Borrowed;

  constructor(
    judge: Judge,
    method: number,
    content: Uint8Array,
    onAnswer: (answer: Answer) => void,
    metadata: Metadata,
  ) {
    const borrowed = new Borrowed(content);
    super(method, borrowed.bytes, onAnswer, metadata);
    this.calledMs = judge.world.scheduler.nowMs;
    this.bodyHasRoom = judge.random.chance(ROOM_SHARE);
    this.#judge = judge;
    this.#borrowed = borrowed;
    const calls = running.get(judge.actor) ?? new Set();
    running.set(judge.actor, calls.add(this));
  }

  /** The service has seen the call. A body with room is its own to keep. */
  seen(): void {
    if (!this.bodyHasRoom) this.#borrowed.release();
  }

  override cancel(): void {
    if (this.hasEnded) this.onCancel = undefined;
    super.cancel();
  }

  override reply(message: Uint8Array): void {
    this.replyParts([message]);
  }

  override replyParts(parts: readonly Uint8Array[]): void {
    this.#end();
    mustStay(this.#judge, parts, this.method);
    super.reply(Buffer.concat(parts));
  }

  override replyFrom(source: ReplySource): void {
    this.#end();
    const pieces: Buffer[] = [];
    const step = (): void => this.#guarded(source, next);
    const next = (): void => {
      const piece = this.cancelled ? undefined : this.#pieceOf(source, pieces.length === 0);
      if (piece !== undefined) {
        pieces.push(Buffer.from(piece));
        mustStay(this.#judge, [piece], this.method);
        this.#later(step);
        return;
      }
      source.close();
      const whole = Buffer.concat(pieces);
      if (!this.cancelled && whole.length !== source.bytes) {
        this.#violated(`has ${whole.length} bytes where ${source.bytes} were promised`);
      }
      super.reply(whole);
    };
    // Who has not read the answers before this one has no room for its beginning.
    if (this.#judge.random.chance(0.5)) this.#later(step);
    else step();
  }

  #later(step: () => void): void {
    const { world, random, actor } = this.#judge;
    world.scheduler.at(random.pick(PIECE_MS), "client", actor, step);
  }

  override fail(code: number, message: string): void {
    this.#end();
    super.fail(code, message);
  }

  /** What fits may be written into the output at once. */
  #pieceOf(source: ReplySource, isFirst: boolean): Uint8Array | undefined {
    const { random } = this.#judge;
    if (isFirst && source.write !== undefined && random.chance(0.5)) {
      const target = Buffer.alloc(random.pick(DIRECT_ROOM_BYTES));
      const end = source.write(target, 0, target.length);
      if (end > 0) return target.subarray(0, end);
    }
    return source.next();
  }

  /** A message that cannot be completed is a broken stream to the client. */
  #guarded(source: ReplySource, step: () => void): void {
    try {
      step();
    } catch {
      source.close();
      super.fail(INTERNAL, "stream was reset");
    }
  }

  #end(): void {
    if (this.hasEnded) this.#violated("came a second time");
    this.hasEnded = true;
    running.get(this.#judge.actor)?.delete(this);
  }

  #violated(what: string): void {
    this.#judge.world.violated(`an answer of method ${this.method} ${what}`);
  }
}

export class JudgedStream extends SimStreamCall {
  readonly #judge: Judge;

  constructor(judge: Judge, method: number, listener: StreamListener, metadata: Metadata) {
    super(method, listener, metadata);
    this.#judge = judge;
  }

  override send(...parts: readonly Uint8Array[]): void {
    mustStay(this.#judge, parts, this.method);
    super.send(...parts);
  }

  /** A message of the client. */
  take(content: Uint8Array): void {
    const borrowed = new Borrowed(content);
    this.onMessage?.(borrowed.bytes);
    borrowed.release();
  }
}
