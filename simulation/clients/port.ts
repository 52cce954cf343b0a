/**
 * A client's way to members: calls travel as events with a latency, get lost when the member dies,
 * and are given up after a while. What is not known to have failed is unknown.
 */
import type { SeededRandom } from "../../src/env/testing/index.ts";
import type { Answer, Metadata } from "../../src/testing/world/calls.ts";
import type { Life, Member } from "../../src/testing/world/member.ts";
import type { World } from "../../src/testing/world/world.ts";
import { JudgedCall, JudgedStream } from "./judged-calls.ts";
import type { Login } from "./login.ts";

export type CallResult =
  | { readonly kind: "reply"; readonly body: Uint8Array }
  | { readonly kind: "failure"; readonly code: number; readonly message: string }
  /** The member was not there: nothing has happened. */
  | { readonly kind: "refused" }
  /** Connection lost, or no answer in time. */
  | { readonly kind: "unknown"; readonly reason: string };

function metadataOf(token: string | undefined): Metadata {
  return token === undefined ? {} : { token };
}

/** How a client notices that the connection of a dead member is gone. */
const RESET_MS = { min: 1, max: 50 };

export class Port {
  readonly world: World;
  /** Names this client's connections: what comes over one of them keeps its order. */
  readonly source: string;
  /** Whose calls they are; nobody's where there are no users. */
  readonly login: Login | undefined;
  readonly random: SeededRandom;

  constructor(world: World, name: string, random: SeededRandom, login?: Login) {
    this.world = world;
    this.login = login;
    this.source = `client ${name}`;
    this.random = random;
  }

  call(member: Member, method: number, body: Uint8Array, timeoutMs: number): Promise<CallResult> {
    const { login } = this;
    if (login === undefined) return this.send(member, method, body, timeoutMs, undefined);
    return login.call(this, member, method, body, timeoutMs);
  }

  /** As `call`, with this token and no other. */
  send(
    member: Member,
    method: number,
    body: Uint8Array,
    timeoutMs: number,
    token: string | undefined,
  ): Promise<CallResult> {
    const { scheduler, trace } = this.world;
    const { life } = member;
    return new Promise((resolve) => {
      let isOver = false;
      const finish = (result: CallResult) => {
        if (isOver) return;
        isOver = true;
        timeout.cancel();
        resolve(result);
      };
      let call: JudgedCall | undefined;
      const timeout = scheduler.at(timeoutMs, "client", undefined, () => {
        // The connection stays open: the member hears that the client has gone, if it lives.
        if (life !== undefined) {
          scheduler.at(this.#latencyMs(), "client", life.actor, () => call?.cancel());
        }
        finish({ kind: "unknown", reason: "timeout" });
      });
      if (life?.server === undefined) {
        scheduler.at(this.#latencyMs(), "client", undefined, () => finish({ kind: "refused" }));
        return;
      }
      const lost = () =>
        scheduler.at(this.#resetMs(), "client", undefined, () =>
          finish({ kind: "unknown", reason: "connection lost" }),
        );
      life.onDeath.add(lost);
      scheduler.at(this.#latencyMs(), this.source, life.actor, () => {
        const { server } = life;
        if (server === undefined) return;
        const answered = (answer: Answer) => {
          life.onDeath.delete(lost);
          if (member.machine.disk.crashed || !life.actor.isAlive) return;
          if (answer.kind === "reply") trace.bytes(answer.body);
          else trace.word(answer.message);
          scheduler.at(this.#latencyMs(), "client", undefined, () => finish(answer));
        };
        const judge = { world: this.world, random: this.random, actor: life.actor };
        call = new JudgedCall(judge, method, body, answered, metadataOf(token));
        server.rpc.unary([call]);
        call.seen();
      });
    });
  }

  /** Undefined when the member is not there. `onEnd` is called at most once. */
  open(
    member: Member,
    method: number,
    listener: {
      readonly message: (body: Uint8Array) => void;
      readonly end: (reason: string) => void;
    },
  ): StreamPort | undefined {
    const { life } = member;
    if (life?.server === undefined) return undefined;
    return new StreamPort(this, member, life, method, listener);
  }

  latencyMs(): number {
    return this.#latencyMs();
  }

  #latencyMs(): number {
    return this.random.between(5, 100) / 100;
  }

  #resetMs(): number {
    return this.random.between(RESET_MS.min, RESET_MS.max);
  }
}

/** One stream; messages of either direction keep their order. */
export class StreamPort {
  readonly #port: Port;
  readonly #member: Member;
  readonly #life: Life;
  readonly #call: JudgedStream;
  #isOpen = true;
  /** Arrival times of the last message of each direction. */
  #sentMs = 0;
  #receivedMs = 0;

  constructor(
    port: Port,
    member: Member,
    life: Life,
    method: number,
    listener: {
      readonly message: (body: Uint8Array) => void;
      readonly end: (reason: string) => void;
    },
  ) {
    this.#port = port;
    this.#member = member;
    this.#life = life;
    const end = (reason: string, delayMs: number) =>
      this.#receive(delayMs, () => {
        if (!this.#isOpen) return;
        this.#isOpen = false;
        listener.end(reason);
      });
    const lost = () => end("connection lost", 20);
    life.onDeath.add(lost);
    const fromMember = {
      message: (body: Uint8Array) => {
        if (this.#isDead) return;
        port.world.trace.bytes(body);
        this.#receive(0, () => {
          if (this.#isOpen) listener.message(body);
        });
      },
      end: (_code: number, message: string) => {
        life.onDeath.delete(lost);
        port.login?.heard(message);
        if (!this.#isDead) end(message, 0);
      },
    };
    const judge = { world: port.world, random: port.random, actor: life.actor };
    this.#call = new JudgedStream(judge, method, fromMember, metadataOf(port.login?.token));
    this.#send(() => life.server?.rpc.stream(this.#call));
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(body: Uint8Array): void {
    this.#send(() => this.#call.take(body));
  }

  /** The client stops reading, or goes on. */
  stall(): void {
    this.#send(() => this.#call.stall());
  }

  read(): void {
    this.#send(() => this.#call.read());
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#send(() => this.#call.cancel());
  }

  get #isDead(): boolean {
    return !this.#life.actor.isAlive || this.#member.machine.disk.crashed;
  }

  #send(run: () => void): void {
    const { scheduler } = this.#port.world;
    this.#sentMs = Math.max(this.#sentMs + 0.001, scheduler.nowMs + this.#port.latencyMs());
    scheduler.at(this.#sentMs - scheduler.nowMs, this.#port.source, this.#life.actor, run);
  }

  #receive(delayMs: number, run: () => void): void {
    const { scheduler } = this.#port.world;
    const earliest = scheduler.nowMs + delayMs + this.#port.latencyMs();
    this.#receivedMs = Math.max(this.#receivedMs + 0.001, earliest);
    scheduler.at(this.#receivedMs - scheduler.nowMs, "client", undefined, run);
  }
}
