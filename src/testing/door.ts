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
    if (verdict.kind === "loseAnswer") stream.cut();
  }

  /** Ends all open streams of a method as a broken connection does. Returns how many there were. */
  cutStreams(method: number): number {
    const cut = [...this.#streams].filter((stream) => stream.method === method);
    for (const stream of cut) stream.cut();
    return cut.length;
  }
}

/** Is carried out, and nobody hears of it. */
class UnheardCall implements UnaryCall {
  readonly #call: UnaryCall;

  constructor(call: UnaryCall) {
    this.#call = call;
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
  get cancelled(): boolean {
    return this.#call.cancelled;
  }
  get body(): Uint8Array {
    return this.#call.body;
  }
  get onCancel(): (() => void) | undefined {
    return this.#call.onCancel;
  }
  set onCancel(listener: (() => void) | undefined) {
    this.#call.onCancel = listener;
  }

  metadata(key: string): string | undefined {
    return this.#call.metadata(key);
  }
  reply(): void {
    this.#lose();
  }
  replyParts(): void {
    this.#lose();
  }
  replyFrom(source: ReplySource): void {
    source.close();
    this.#lose();
  }
  fail(): void {
    this.#lose();
  }

  #lose(): void {
    this.#call.fail(StatusCode.UNAVAILABLE, LOST);
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

  /** The connection is gone, for either side. */
  cut(): void {
    if (this.cancelled) return;
    this.#call.finish(StatusCode.UNAVAILABLE, LOST);
    this.#over();
  }

  #over(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.#options.onOver();
    this.onCancel?.();
  }
}
