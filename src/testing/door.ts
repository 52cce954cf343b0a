/**
 * Stands before a member's services: writes down what is asked, makes calls fail that a test wants
 * to fail, and can cut streams. Calls of every way come through it, without a wire and with one.
 */
import { StatusCode } from "../api/errors.ts";
import type { ReplySource, RpcService, StreamCall, UnaryCall } from "../env/index.ts";
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

/** A call that somebody else has got, and that is passed on. */
export abstract class PassedCall implements UnaryCall {
  protected readonly call: UnaryCall;

  constructor(call: UnaryCall) {
    this.call = call;
  }

  get method(): number {
    return this.call.method;
  }
  get deadlineMs(): number {
    return this.call.deadlineMs;
  }
  get remote(): string {
    return this.call.remote;
  }
  get viaGateway(): boolean {
    return this.call.viaGateway;
  }
  get certificateName(): string | undefined {
    return this.call.certificateName;
  }
  get cancelled(): boolean {
    return this.call.cancelled;
  }
  get body(): Uint8Array {
    return this.call.body;
  }
  get onCancel(): (() => void) | undefined {
    return this.call.onCancel;
  }
  set onCancel(listener: (() => void) | undefined) {
    this.call.onCancel = listener;
  }

  metadata(key: string): string | undefined {
    return this.call.metadata(key);
  }

  abstract reply(message: Uint8Array): void;
  abstract replyParts(parts: readonly Uint8Array[]): void;
  abstract replyFrom(source: ReplySource): void;
  abstract fail(code: number, message: string): void;
}

/** Is carried out, and nobody hears of it. */
class UnheardCall extends PassedCall {
  reply(): void {
    this.fail();
  }
  replyParts(): void {
    this.fail();
  }
  replyFrom(source: ReplySource): void {
    source.close();
    this.fail();
  }
  fail(): void {
    this.call.fail(StatusCode.UNAVAILABLE, LOST);
  }
}

interface DoorStreamOptions {
  readonly onRequest: (body: Uint8Array) => void;
  readonly onOver: () => void;
}

class DoorStream implements StreamCall {
  onDrain: (() => void) | undefined;
  onMessage: ((message: Uint8Array) => void) | undefined;
  onHalfClose: (() => void) | undefined;
  onCancel: (() => void) | undefined;
  cancelled = false;
  readonly #call: StreamCall;
  readonly #options: DoorStreamOptions;

  constructor(call: StreamCall, options: DoorStreamOptions) {
    this.#call = call;
    this.#options = options;
    call.onDrain = () => this.onDrain?.();
    call.onMessage = (message) => {
      if (this.cancelled) return;
      options.onRequest(message);
      this.onMessage?.(message);
    };
    call.onHalfClose = () => this.onHalfClose?.();
    call.onCancel = () => this.#over();
  }

  get method(): number {
    return this.#call.method;
  }
  get deadlineMs(): number {
    return this.#call.deadlineMs;
  }
  get remote(): string {
    return this.#call.remote;
  }
  get viaGateway(): boolean {
    return this.#call.viaGateway;
  }
  get certificateName(): string | undefined {
    return this.#call.certificateName;
  }
  get bufferedBytes(): number {
    return this.#call.bufferedBytes;
  }

  metadata(key: string): string | undefined {
    return this.#call.metadata(key);
  }
  send(...parts: readonly Uint8Array[]): void {
    if (!this.cancelled) this.#call.send(...parts);
  }
  finish(code: number, message: string): void {
    if (this.cancelled) return;
    this.#options.onOver();
    this.#call.finish(code, message);
  }
  pauseReceiving(): void {
    this.#call.pauseReceiving();
  }
  resumeReceiving(): void {
    this.#call.resumeReceiving();
  }

  /** It is over, for either side. */
  cut(code: number, reason: string): void {
    if (this.cancelled) return;
    this.#call.finish(code, reason);
    this.#over();
  }

  #over(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.#options.onOver();
    this.onCancel?.();
  }
}
