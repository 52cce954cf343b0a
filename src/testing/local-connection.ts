/**
 * A client's connection to a member without a wire: calls travel as events of the world, keep
 * their order, and end when the member's process does.
 */
import type { Connection, ConnectionStream } from "../client/connection.ts";
import type { Clock, RpcService, Timer } from "../env/index.ts";
import { METHODS } from "../api/rpc-table.ts";
import { StatusCode } from "../api/errors.ts";
import type { CallHandler } from "../transport/client/client-call.ts";
import { RpcError } from "../transport/client/rpc-error.ts";
import { Packets } from "./packets.ts";
import { type Answer, type Metadata, SimStreamCall, SimUnaryCall } from "./world/calls.ts";
import type { Life } from "./world/member.ts";
import type { Actor, Scheduler } from "./world/scheduler.ts";

export interface LocalConnectionOptions {
  readonly scheduler: Scheduler;
  /** The process of the client; undefined for one that never stands still. */
  readonly owner: Actor | undefined;
  /** The process at the other end. */
  readonly life: Life;
  readonly service: RpcService;
  readonly clock: Clock;
  /** Names the connection; what comes over it keeps its order. */
  readonly source: string;
  /** Of one way. */
  readonly latencyMs: number;
  readonly onClose: (reason: string) => void;
}

/** What Go's client says of a connection that is cut. */
const CUT = "error reading from server: EOF";
const CLOSED = "grpc: the client connection is closing";
const NO_METADATA: Metadata = {};

let indexes: ReadonlyMap<string, number> | undefined;

function methodIndex(path: string): number {
  indexes ??= new Map(METHODS.map((method) => [method.path, method.index]));
  return indexes.get(path) ?? -1;
}

interface Head {
  readonly method: number;
  readonly metadata: Metadata;
}

export class LocalConnection implements Connection {
  readonly options: LocalConnectionOptions;
  readonly #calls = new Set<LocalCall>();
  readonly #toMember: Packets;
  readonly #toClient: Packets;
  readonly #lost = () => this.#deliver(() => this.#close(CUT));
  #isClosed = false;

  constructor(options: LocalConnectionOptions) {
    this.options = options;
    const { scheduler, latencyMs, source, life, owner } = options;
    this.#toMember = new Packets({ scheduler, latencyMs, source, actor: life.actor });
    this.#toClient = new Packets({ scheduler, latencyMs, source, actor: owner });
    options.life.onDeath.add(this.#lost);
  }

  get closing(): boolean {
    return this.#isClosed;
  }

  get openCalls(): number {
    return this.#calls.size;
  }

  method(path: string, metadata: Metadata = NO_METADATA): Head {
    return { method: methodIndex(path), metadata };
  }

  call(head: Head, body: Uint8Array, handler: CallHandler, deadlineMs?: number): LocalCall {
    const call = new UnaryLocalCall(this, handler, deadlineMs);
    if (this.#begin(call)) call.start(head, body);
    return call;
  }

  stream(
    path: string,
    handler: CallHandler,
    options: { readonly metadata: Metadata },
  ): ConnectionStream {
    const call = new LocalStream(this, handler);
    if (this.#begin(call)) call.start({ method: methodIndex(path), metadata: options.metadata });
    return call;
  }

  close(): void {
    this.#close(CLOSED);
  }

  /** For what the client sends. */
  arrive(run: () => void): void {
    this.#toMember.send(run);
  }

  /** For what the member sends; nothing once it is dead. */
  deliverFromMember(run: () => void): void {
    if (this.options.life.actor.isAlive) this.#deliver(run);
  }

  forget(call: LocalCall): void {
    this.#calls.delete(call);
  }

  #deliver(run: () => void): void {
    this.#toClient.send(run);
  }

  #begin(call: LocalCall): boolean {
    if (this.#isClosed) {
      call.end(new RpcError(StatusCode.UNAVAILABLE, CLOSED, true));
      return false;
    }
    this.#calls.add(call);
    return true;
  }

  #close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { life, onClose } = this.options;
    life.onDeath.delete(this.#lost);
    for (const call of [...this.#calls]) {
      call.abort(new RpcError(StatusCode.UNAVAILABLE, reason, !call.hasArrived));
    }
    onClose(reason);
  }
}

abstract class LocalCall {
  /** The member has it. */
  hasArrived = false;
  protected readonly connection: LocalConnection;
  protected readonly handler: CallHandler;
  #isOver = false;

  constructor(connection: LocalConnection, handler: CallHandler) {
    this.connection = connection;
    this.handler = handler;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  cancel(): void {
    this.abort(new RpcError(StatusCode.CANCELLED, "context canceled"));
  }

  /** Ends it from this side; the member is told. */
  abort(error: RpcError): void {
    if (this.#isOver) return;
    this.connection.arrive(() => this.abandon());
    this.end(error);
  }

  end(error: RpcError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.connection.forget(this);
    this.handler.onEnd(error);
  }

  /** At the member: the client has gone. */
  protected abstract abandon(): void;
}

class UnaryLocalCall extends LocalCall {
  #call: SimUnaryCall | undefined;
  #timer: Timer | undefined;

  constructor(connection: LocalConnection, handler: CallHandler, deadlineMs = Infinity) {
    super(connection, handler);
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const { clock } = connection.options;
    const late = (): void =>
      this.abort(new RpcError(StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded"));
    this.#timer = clock.setTimer(deadlineMs - clock.nowMs(), late);
  }

  start({ method, metadata }: Head, body: Uint8Array): void {
    const { connection } = this;
    connection.arrive(() => {
      if (this.isOver) return;
      this.hasArrived = true;
      this.#call = new SimUnaryCall(method, body, (answer) => this.#answered(answer), metadata);
      connection.options.service.unary([this.#call]);
    });
  }

  override end(error: RpcError | undefined): void {
    this.#timer?.cancel();
    super.end(error);
  }

  protected override abandon(): void {
    this.#call?.cancel();
  }

  #answered(answer: Answer): void {
    this.connection.deliverFromMember(() => {
      if (this.isOver) return;
      if (answer.kind === "reply") this.handler.onMessage(answer.body);
      this.end(answer.kind === "reply" ? undefined : new RpcError(answer.code, answer.message));
    });
  }
}

class LocalStream extends LocalCall implements ConnectionStream {
  #call: SimStreamCall | undefined;

  start({ method, metadata }: Head): void {
    const listener = {
      message: (body: Uint8Array) =>
        this.connection.deliverFromMember(() => {
          if (!this.isOver) this.handler.onMessage(body);
        }),
      end: (code: number, message: string) =>
        this.connection.deliverFromMember(() =>
          this.end(code === StatusCode.OK ? undefined : new RpcError(code, message)),
        ),
    };
    this.connection.arrive(() => {
      this.hasArrived = true;
      this.#call = new SimStreamCall(method, listener, metadata);
      this.connection.options.service.stream(this.#call);
    });
  }

  send(...parts: readonly Uint8Array[]): void {
    if (this.isOver) return;
    const body = Buffer.concat(parts);
    this.connection.arrive(() => this.#call?.onMessage?.(body));
  }

  halfClose(): void {
    if (!this.isOver) this.connection.arrive(() => this.#call?.onHalfClose?.());
  }

  pauseReceiving(): void {
    if (!this.isOver) this.connection.arrive(() => this.#call?.stall());
  }

  resumeReceiving(): void {
    if (!this.isOver) this.connection.arrive(() => this.#call?.read());
  }

  protected override abandon(): void {
    this.#call?.cancel();
  }
}
