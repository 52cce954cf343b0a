/**
 * Stands before a member's services: writes down what is asked, makes calls fail that a test wants
 * to fail, and can cut streams. Calls of every way come through it, without a wire and with one.
 */
import { StatusCode } from "../api/errors.ts";
import {
  PassedSending,
  PassedUnary,
  type ReplySource,
  type RpcService,
  type StreamCall,
  type UnaryCall,
} from "../env/index.ts";
import type { Ledger } from "./ledger.ts";

const LOST = "error reading from server: EOF";

export class Door implements RpcService {
  readonly #member: string;
  readonly #service: RpcService;
  readonly #ledger: Ledger;
  readonly #streams = new Set<DoorStream>();

  constructor(member: string, service: RpcService, ledger: Ledger) {
    this.#member = member;
    this.#service = service;
    this.#ledger = ledger;
  }

  unary(calls: readonly UnaryCall[]): void {
    const passed: UnaryCall[] = [];
    for (const call of calls) {
      this.#ledger.record(call.method, this.#member, call.body);
      const verdict = this.#ledger.judge(call.method);
      if (verdict.kind === "fail") call.fail(verdict.code, verdict.message);
      else passed.push(verdict.kind === "pass" ? call : new UnheardCall(call));
    }
    if (passed.length > 0) this.#service.unary(passed);
  }

  stream(call: StreamCall): void {
    const verdict = this.#ledger.judge(call.method);
    if (verdict.kind === "fail") {
      call.finish(verdict.code, verdict.message);
      return;
    }
    const stream = new DoorStream(call, {
      onRequest: (body) => this.#ledger.record(call.method, this.#member, body),
      onOver: () => this.#streams.delete(stream),
    });
    this.#streams.add(stream);
    this.#service.stream(stream);
    if (verdict.kind === "loseAnswer") stream.cut(StatusCode.UNAVAILABLE, LOST);
  }

  /**
   * Ends all open streams of a method, as a broken connection does unless another reason is given.
   * Returns how many there were.
   */
  cutStreams(method: number, code: number = StatusCode.UNAVAILABLE, reason: string = LOST): number {
    const cut = [...this.#streams].filter((stream) => stream.method === method);
    for (const stream of cut) stream.cut(code, reason);
    return cut.length;
  }
}

/** Is carried out, and nobody hears of it. */
class UnheardCall extends PassedUnary {
  override reply(): void {
    this.fail();
  }
  override replyParts(): void {
    this.fail();
  }
  override replyFrom(source: ReplySource): void {
    source.close();
    this.fail();
  }
  override fail(): void {
    this.call.fail(StatusCode.UNAVAILABLE, LOST);
  }
}

interface DoorStreamOptions {
  readonly onRequest: (body: Uint8Array) => void;
  readonly onOver: () => void;
}

class DoorStream extends PassedSending implements StreamCall {
  onDrain: (() => void) | undefined;
  onMessage: ((message: Uint8Array) => void) | undefined;
  onHalfClose: (() => void) | undefined;
  onCancel: (() => void) | undefined;
  readonly #options: DoorStreamOptions;
  #isOver = false;

  constructor(call: StreamCall, options: DoorStreamOptions) {
    super(call);
    this.#options = options;
    call.onDrain = () => this.onDrain?.();
    call.onMessage = (message) => {
      if (this.#isOver) return;
      options.onRequest(message);
      this.onMessage?.(message);
    };
    call.onHalfClose = () => this.onHalfClose?.();
    call.onCancel = () => this.#over();
  }

  override get cancelled(): boolean {
    return this.#isOver;
  }
  override send(...parts: readonly Uint8Array[]): void {
    if (!this.#isOver) super.send(...parts);
  }
  override finish(code: number, message: string): void {
    if (this.#isOver) return;
    this.#options.onOver();
    super.finish(code, message);
  }

  /** It is over, for either side. */
  cut(code: number, reason: string): void {
    if (this.#isOver) return;
    super.finish(code, reason);
    this.#over();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onOver();
    this.onCancel?.();
  }
}
