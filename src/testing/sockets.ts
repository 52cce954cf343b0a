/**
 * Ports for clients of any kind. What they ask becomes events of the world; who waits for an answer
 * lets time pass, as a client without sockets does. A member that is dead has no port.
 */
import { METHOD, METHODS } from "../api/rpc-table.ts";
import { copyBytes } from "../base/bytes.ts";
import {
  PassedSending,
  PassedUnary,
  type ReplySource,
  type RpcService,
  type StreamCall,
  type UnaryCall,
} from "../env/index.ts";
import { SystemClock } from "../env/system-clock.ts";
import { NullLogger } from "../env/testing/index.ts";
import type { Listener, ListenAddress } from "../transport/listener.ts";
import type { Flow } from "./flow.ts";
import type { Universe } from "./universe.ts";
import type { Life, Member } from "./world/member.ts";
import type { Scheduler } from "./world/scheduler.ts";

/** They wait for what others do, as long as that takes. */
const WAITING: ReadonlySet<number> = new Set([METHOD.Lock, METHOD.Campaign]);

const ANY_PORT: ListenAddress = { host: "127.0.0.1", port: 0 };

export class Sockets {
  readonly #universe: Universe;
  /** Deadlines and pings of real clients are in real time. */
  readonly #clock = new SystemClock();
  readonly #listeners = new Map<Member, Listener>();
  readonly #services = new Map<Member, RpcService>();
  readonly #closing: Promise<unknown>[] = [];
  readonly #binding: Promise<unknown>[] = [];

  private constructor(universe: Universe) {
    this.#universe = universe;
  }

  /** Binds a port for each member, before they start, so that they can tell where they are. */
  static async open(universe: Universe): Promise<Sockets> {
    const sockets = new Sockets(universe);
    for (const member of universe.members) {
      const address = await sockets.#listen(member, ANY_PORT);
      const port = "port" in address ? address.port : 0;
      member.options = { ...member.options, clientURLs: [`http://127.0.0.1:${port}`] };
    }
    universe.onStarted = (member, life, door) => sockets.#started(member, life, door);
    return sockets;
  }

  /** Settles when every member that runs has its port again; rejects when that was taken. */
  async bound(): Promise<void> {
    await Promise.all(this.#binding.splice(0));
  }

  async close(): Promise<void> {
    for (const member of [...this.#listeners.keys()]) this.#stop(member);
    await Promise.all(this.#closing);
  }

  #started(member: Member, life: Life, door: RpcService): void {
    const { scheduler } = this.#universe.world;
    this.#services.set(member, new EventService(scheduler, this.#universe.flow, life, door));
    life.onDeath.add(() => this.#stop(member));
    const url = new URL(member.options.clientURLs[0] ?? "");
    const isBound = this.#listeners.has(member);
    if (isBound) this.#listeners.get(member)?.startServing();
    else this.#bindAgain(member, { host: url.hostname, port: Number(url.port) });
  }

  #bindAgain(member: Member, address: ListenAddress): void {
    const binding = this.#listen(member, address);
    // Heard by `bound`, perhaps later.
    binding.catch(() => undefined);
    this.#binding.push(binding);
  }

  async #listen(member: Member, address: ListenAddress): Promise<ListenAddress> {
    await Promise.all(this.#closing.splice(0));
    const { listen } = await import("../transport/listener.ts");
    const service: RpcService = {
      unary: (calls) => this.#services.get(member)?.unary(calls),
      stream: (call) => this.#services.get(member)?.stream(call),
    };
    const listener = await listen(address, {
      service,
      methods: METHODS,
      clock: this.#clock,
      logger: new NullLogger(),
      hold: !this.#services.has(member),
    });
    this.#listeners.set(member, listener);
    return listener.address;
  }

  #stop(member: Member): void {
    const listener = this.#listeners.get(member);
    this.#listeners.delete(member);
    this.#services.delete(member);
    if (listener !== undefined) this.#closing.push(listener.stop(0));
  }
}

/** From turns of the process's loop to events of the world. */
class EventService implements RpcService {
  readonly #scheduler: Scheduler;
  readonly #flow: Flow;
  readonly #life: Life;
  readonly #door: RpcService;

  constructor(scheduler: Scheduler, flow: Flow, life: Life, door: RpcService) {
    this.#scheduler = scheduler;
    this.#flow = flow;
    this.#life = life;
    this.#door = door;
  }

  unary(calls: readonly UnaryCall[]): void {
    const owned = calls.map(
      (call) => new SocketCall(call, WAITING.has(call.method) ? undefined : this.#flow.begun()),
    );
    this.#inTurn(() => this.#door.unary(owned.filter(({ cancelled }) => !cancelled)));
  }

  stream(call: StreamCall): void {
    const queued = new SocketStream(call, (run) => this.#inTurn(run));
    this.#inTurn(() => this.#door.stream(queued));
  }

  #inTurn(run: () => void): void {
    this.#scheduler.at(0, "socket", this.#life.actor, run);
  }
}

/** Its body outlives the turn that brought it. */
class SocketCall extends PassedUnary {
  readonly #body: Uint8Array;
  readonly #ended: () => void;
  #onCancel: (() => void) | undefined;

  constructor(call: UnaryCall, ended: () => void = () => undefined) {
    super(call);
    this.#body = copyBytes(call.body);
    this.#ended = ended;
    call.onCancel = () => {
      ended();
      this.#onCancel?.();
    };
  }

  override get body(): Uint8Array {
    return this.#body;
  }
  /** The transport sees to it, on a clock that the member does not know. */
  override get deadlineMs(): number {
    return Number.POSITIVE_INFINITY;
  }
  override get onCancel(): (() => void) | undefined {
    return this.#onCancel;
  }
  override set onCancel(listener: (() => void) | undefined) {
    this.#onCancel = listener;
  }

  override reply(message: Uint8Array): void {
    this.#ended();
    super.reply(message);
  }
  override replyParts(parts: readonly Uint8Array[]): void {
    this.#ended();
    super.replyParts(parts);
  }
  override replyFrom(source: ReplySource): void {
    this.#ended();
    super.replyFrom(source);
  }
  override fail(code: number, message: string): void {
    this.#ended();
    super.fail(code, message);
  }
}

/** What comes on it waits for its turn. */
class SocketStream extends PassedSending implements StreamCall {
  onDrain: (() => void) | undefined;
  onMessage: ((message: Uint8Array) => void) | undefined;
  onHalfClose: (() => void) | undefined;
  onCancel: (() => void) | undefined;

  constructor(call: StreamCall, inTurn: (run: () => void) => void) {
    super(call);
    call.onDrain = () => inTurn(() => this.onDrain?.());
    call.onMessage = (message) => {
      const body = copyBytes(message);
      inTurn(() => this.onMessage?.(body));
    };
    call.onHalfClose = () => inTurn(() => this.onHalfClose?.());
    call.onCancel = () => inTurn(() => this.onCancel?.());
  }

  override get deadlineMs(): number {
    return Number.POSITIVE_INFINITY;
  }
}
