/**
 * The calls of one thread of connections on the main thread: takes them out of its messages, hands
 * them to the member's service, and sends the answers of a turn in one message.
 */
import type { Logger } from "../../src/env/logger.ts";
import type { RpcService } from "../../src/env/rpc.ts";
import { CANCELLED, INTERNAL } from "../../src/transport/grpc/status.ts";
import { Caller } from "./callers.ts";
import type { Desk } from "./desk.ts";
import type { DeskSource } from "./desk-source.ts";
import { DeskStream } from "./desk-stream.ts";
import { DeskUnary } from "./desk-unary.ts";
import { Link, type LinkPort } from "./link.ts";
import { type RecordReader, TO_MAIN } from "./records.ts";
import { systemOffsetMs } from "./thread-time.ts";

type DeskCall = DeskUnary | DeskStream | DeskSource;

export class CallDesk implements Desk {
  readonly link: Link;
  readonly #service: RpcService;
  readonly #logger: Logger;
  readonly #offsetMs = systemOffsetMs();
  readonly #callers: Caller[] = [];
  /** By the slots that the other thread gives. */
  readonly #calls: (DeskCall | undefined)[] = [];
  #batch: DeskUnary[] = [];

  constructor(port: LinkPort, service: RpcService, logger: Logger) {
    this.link = new Link(port);
    this.#service = service;
    this.#logger = logger;
  }

  /** Calls that have not ended. */
  get calls(): number {
    return this.#calls.reduce((count, call) => (call === undefined ? count : count + 1), 0);
  }

  /** A message of the other thread. Unary calls in it go to the service together. */
  receive(message: Uint8Array): void {
    this.link.received(message, (records) => {
      while (records.next()) this.#apply(records);
      this.#serve();
    });
    // What was answered at once need not wait for the end of the turn.
    this.link.flush();
  }

  /** The thread has ended: so have its clients. */
  lost(): void {
    for (const call of this.#calls.splice(0)) call?.cancel();
  }

  leave(slot: number): void {
    this.#calls[slot] = undefined;
  }

  replace(slot: number, source: DeskSource): void {
    this.#calls[slot] = source;
  }

  guard(run: () => void, fail: (code: number, message: string) => void): void {
    try {
      run();
    } catch (error) {
      this.#logger.error("rpc handler failed", { error });
      fail(INTERNAL, "internal error");
    }
  }

  #serve(): void {
    const batch = this.#batch;
    this.#batch = [];
    const calls = batch.filter((call) => !call.cancelled);
    if (calls.length < batch.length) {
      for (const call of batch) if (call.cancelled) call.fail(CANCELLED, "");
    }
    if (calls.length === 0) return;
    this.guard(
      () => this.#service.unary(calls),
      (code, message) => {
        for (const call of calls) call.fail(code, message);
      },
    );
    for (const call of calls) call.releaseBody();
  }

  #apply(records: RecordReader): void {
    switch (records.kind) {
      case TO_MAIN.caller:
        this.#callers[records.slot] = new Caller(records);
        return;
      case TO_MAIN.forgetCallers:
        this.#callers.length = 0;
        return;
      case TO_MAIN.unary:
      case TO_MAIN.stream:
        this.#open(records);
        return;
      default:
        // One that has ended meanwhile has left its slot, and the bytes that follow are to be read.
        (this.#calls[records.slot] ?? ENDED).receive(records);
    }
  }

  #open(records: RecordReader): void {
    const { slot, kind } = records;
    const method = records.u32();
    const caller = this.#callers[records.u32()] as Caller;
    const deadlineMs = records.f64() - this.#offsetMs;
    const facts = { desk: this, slot, method, caller, deadlineMs };
    if (kind === TO_MAIN.unary) {
      const call = new DeskUnary(facts, records.bytes());
      this.#calls[slot] = call;
      this.#batch.push(call);
      return;
    }
    const call = new DeskStream(facts);
    this.#calls[slot] = call;
    this.guard(
      () => this.#service.stream(call),
      (code, message) => call.finish(code, message),
    );
  }
}

/** In the place of a call that has ended: reads over what is said to it. */
const ENDED = {
  receive(records: RecordReader): void {
    switch (records.kind) {
      case TO_MAIN.message:
        records.bytes();
        return;
      case TO_MAIN.released:
      case TO_MAIN.pieceTaken:
        records.u32();
        return;
    }
  },
};
