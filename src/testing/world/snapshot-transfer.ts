/**
 * A database on its way to a follower, chunk by chunk: each is read when the one before has arrived.
 * It ends when either side dies or the wire is cut, and the receiver then sees a broken stream.
 */
import { Message } from "../../api/gen/raft.ts";
import type { DatabaseImage } from "../../env/index.ts";
import type { MemberNetwork } from "./member-network.ts";

/** After this long without an arrival the sender gives up. */
const STALL_TIMEOUT_MS = 3000;

const REPEAT_MS = 300;
/** Each takes the time of a way over the wire. */
const MAX_CHUNKS = 200;

type Arrival =
  | { readonly kind: "chunk"; readonly data: Uint8Array }
  | { readonly kind: "end" }
  | { readonly kind: "broken" };

export class SnapshotTransfer {
  readonly #sender: MemberNetwork;
  readonly #target: MemberNetwork | undefined;
  readonly #message: Message;
  readonly #image: DatabaseImage;
  readonly #arrived: Arrival[] = [];
  #wake: (() => void) | undefined;

  constructor(
    sender: MemberNetwork,
    target: MemberNetwork | undefined,
    message: Message,
    image: DatabaseImage,
  ) {
    this.#sender = sender;
    this.#target = target;
    this.#message = message;
    this.#image = image;
  }

  /** True when the receiver has the database and the message. Never rejects. */
  async run(): Promise<boolean> {
    const target = this.#target;
    if (target?.node === undefined) {
      await this.#wait(this.#sender.options.links.latencyMs());
      return false;
    }
    const outcome = this.#receive(target);
    try {
      const { snapshotChunkBytes } = this.#sender.options;
      const chunkBytes = Math.max(
        snapshotChunkBytes,
        Math.ceil(this.#image.sizeBytes / MAX_CHUNKS),
      );
      for await (const chunk of this.#image.chunks(chunkBytes)) {
        const data = new Uint8Array(chunk);
        if (!(await this.#carry({ kind: "chunk", data }))) return false;
      }
      if (!(await this.#carry({ kind: "end" }))) return false;
    } catch {
      await this.#carry({ kind: "broken" });
      return false;
    }
    return outcome;
  }

  /** What the receiver makes of it, as the sender hears of it. */
  #receive(target: MemberNetwork): Promise<boolean> {
    const { scheduler, links, name, actor } = this.#sender.options;
    const bytes = Message.encode(this.#message);
    const back = target.options.name;
    return new Promise((resolve) => {
      const answer = (ok: boolean) => {
        if (target.options.isDead()) return;
        const [delayMs] = links.delivery(back, name, scheduler.nowMs);
        if (delayMs !== undefined) scheduler.at(delayMs, back, actor, () => resolve(ok));
        // A connection repeats what was not acknowledged.
        else scheduler.at(REPEAT_MS, "repeat", target.options.actor, () => answer(ok));
      };
      scheduler.at(links.latencyMs(), name, target.options.actor, () => {
        const received = target.node?.receiveSnapshot(Message.decode(bytes), this.#chunks());
        received?.then(
          () => answer(true),
          () => answer(false),
        );
      });
      void this.#wait(STALL_TIMEOUT_MS * 4).then(() => resolve(false));
      void this.#deathOf(target).then(() => resolve(false));
    });
  }

  /** A process that dies resets its connections. */
  async #deathOf(target: MemberNetwork): Promise<void> {
    const { scheduler } = this.#sender.options;
    const untilMs = scheduler.nowMs + STALL_TIMEOUT_MS * 4;
    while (!target.options.isDead() && scheduler.nowMs < untilMs) await this.#wait(REPEAT_MS);
  }

  /** False if it does not arrive. */
  #carry(arrival: Arrival): Promise<boolean> {
    const { scheduler, links, name, actor } = this.#sender.options;
    const target = this.#target;
    return new Promise((resolve) => {
      if (target?.node === undefined) {
        scheduler.at(links.latencyMs(), "snapshot", actor, () => resolve(false));
        return;
      }
      const toName = target.options.name;
      const [delayMs] = links.delivery(name, toName, scheduler.nowMs);
      if (delayMs === undefined) {
        this.#breakAtReceiver(target);
        scheduler.at(STALL_TIMEOUT_MS, "stall", actor, () => resolve(false));
        return;
      }
      let isOver = false;
      const finish = (ok: boolean) => {
        if (isOver) return;
        isOver = true;
        giveUp.cancel();
        resolve(ok);
      };
      const giveUp = scheduler.at(STALL_TIMEOUT_MS, "stall", actor, () => {
        this.#breakAtReceiver(target);
        finish(false);
      });
      scheduler.at(delayMs, name, target.options.actor, () => {
        this.#arrive(arrival);
        scheduler.at(links.latencyMs(), toName, actor, () => finish(true));
      });
    });
  }

  #breakAtReceiver(target: MemberNetwork): void {
    const { scheduler } = this.#sender.options;
    scheduler.at(STALL_TIMEOUT_MS, "stall", target.options.actor, () =>
      this.#arrive({ kind: "broken" }),
    );
  }

  #arrive(arrival: Arrival): void {
    this.#arrived.push(arrival);
    this.#wake?.();
    this.#wake = undefined;
  }

  async *#chunks(): AsyncIterable<Uint8Array> {
    for (;;) {
      const arrival = this.#arrived.shift();
      if (arrival === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if (arrival.kind === "broken") throw new Error("the connection broke");
      else if (arrival.kind === "end") return;
      else yield arrival.data;
    }
  }

  #wait(delayMs: number): Promise<void> {
    const { scheduler, actor } = this.#sender.options;
    return new Promise((resolve) => scheduler.at(delayMs, "stall", actor, resolve));
  }
}
