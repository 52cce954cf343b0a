/**
 * The service that a thread of connections has: it serves nothing, and passes calls on to the main
 * thread. The calls of a turn go in one message, and so do the answers of a turn.
 */
import { unreachable } from "../../src/base/assert.ts";
import type { Call, RpcService, StreamCall, UnaryCall } from "../../src/env/rpc.ts";
import { RESOURCE_EXHAUSTED } from "../../src/transport/grpc/status.ts";
import { CallerIDs } from "./callers.ts";
import { FrontStream } from "./front-stream.ts";
import { Link, type LinkPort } from "./link.ts";
import { PassedSource } from "./passed-source.ts";
import { type RecordReader, TO_FRONT, TO_MAIN } from "./records.ts";
import { Slots } from "./slots.ts";
import { systemOffsetMs } from "./thread-time.ts";

/** Calls of one thread that have no last word yet; bounds what the main thread remembers. */
const MAX_CALLS = 65_536;

/** As a member that has too much to do. */
const TOO_MANY = "etcdserver: too many requests";

type FrontCall =
  | { readonly kind: "unary"; readonly call: UnaryCall }
  | { readonly kind: "stream"; readonly stream: FrontStream }
  | { readonly kind: "source"; readonly source: PassedSource };

export class FrontService implements RpcService {
  readonly #link: Link;
  readonly #callers: CallerIDs;
  readonly #slots = new Slots<FrontCall>(MAX_CALLS);
  readonly #offsetMs = systemOffsetMs();
  /** Got messages in the turn. */
  #served = new Set<FrontStream>();
  /** Their clients are not read while too much waits for the main thread. */
  readonly #held = new Set<FrontStream>();

  constructor(port: LinkPort) {
    this.#link = new Link(port);
    this.#callers = new CallerIDs(this.#link);
  }

  unary(calls: readonly UnaryCall[]): void {
    const { out } = this.#link;
    for (const call of calls) {
      const { body } = call;
      const isFull = this.#link.isFull(body.length);
      const slot = isFull ? undefined : this.#slots.take({ kind: "unary", call });
      if (slot === undefined) {
        call.fail(RESOURCE_EXHAUSTED, TOO_MANY);
        continue;
      }
      this.#begin(TO_MAIN.unary, slot, call);
      out.bytes(body);
      call.onCancel = () => this.#cancel(slot);
    }
    this.#link.flush();
  }

  stream(call: StreamCall): void {
    const stream = new FrontStream(call, this.#link);
    const slot = this.#link.isFull() ? undefined : this.#slots.take({ kind: "stream", stream });
    if (slot === undefined) {
      call.finish(RESOURCE_EXHAUSTED, TOO_MANY);
      return;
    }
    stream.slot = slot;
    this.#begin(TO_MAIN.stream, slot, call);
    call.onMessage = (message) => {
      stream.passOn(message);
      if (!this.#link.isFull()) return;
      stream.hold("link");
      this.#held.add(stream);
    };
    call.onHalfClose = () => {
      this.#link.out.begin(TO_MAIN.halfClose, slot);
      this.#link.flushSoon();
    };
    call.onCancel = () => this.#cancel(slot);
    this.#link.flushSoon();
  }

  /** A message of the main thread. */
  receive(message: Uint8Array): void {
    this.#link.received(message, (records) => {
      while (records.next()) this.#apply(records);
    });
    for (const stream of this.#served) stream.tellReleased();
    this.#served.clear();
    if (this.#held.size === 0 || this.#link.isFull()) return;
    for (const stream of this.#held) stream.release("link");
    this.#held.clear();
  }

  #begin(kind: number, slot: number, call: Call): void {
    const { out } = this.#link;
    const caller = this.#callers.idOf(call);
    out.begin(kind, slot);
    out.u32(call.method);
    out.u32(caller);
    out.f64(call.deadlineMs + this.#offsetMs);
  }

  /** The slot is left when the main thread has heard of it. */
  #cancel(slot: number): void {
    this.#link.out.begin(TO_MAIN.cancel, slot);
    this.#link.flushSoon();
  }

  #apply(records: RecordReader): void {
    const { slot } = records;
    const entry = this.#slots.get(slot);
    if (entry === undefined) throw new Error(`nobody waits at ${slot} for ${records.kind}`);
    switch (entry.kind) {
      case "unary":
        this.#answer(records, entry.call);
        return;
      case "stream":
        this.#toStream(records, entry.stream);
        return;
      case "source":
        if (entry.source.receive(records)) this.#slots.leave(slot);
        return;
      default:
        unreachable(entry);
    }
  }

  /** A call that was cancelled is answered, too: its connection counts it until then. */
  #answer(records: RecordReader, call: UnaryCall): void {
    const { slot } = records;
    if (records.kind === TO_FRONT.source) {
      const source = new PassedSource(records, this.#link);
      this.#slots.replace(slot, { kind: "source", source });
      call.replyFrom(source);
      return;
    }
    this.#slots.leave(slot);
    if (records.kind === TO_FRONT.reply) call.reply(records.bytes());
    else call.fail(records.u32(), records.text());
  }

  #toStream(records: RecordReader, stream: FrontStream): void {
    if (records.kind === TO_FRONT.send) {
      stream.send(records.bytes());
      this.#served.add(stream);
    } else if (records.kind === TO_FRONT.series) {
      stream.sendSeries(records);
      this.#served.add(stream);
    } else if (records.kind === TO_FRONT.pause) {
      stream.hold("service");
    } else if (records.kind === TO_FRONT.resume) {
      stream.release("service");
    } else {
      this.#slots.leave(records.slot);
      this.#served.delete(stream);
      this.#held.delete(stream);
      if (records.kind === TO_FRONT.finish) stream.call.finish(records.u32(), records.text());
    }
  }
}
