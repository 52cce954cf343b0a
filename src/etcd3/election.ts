/** Elections: who has the oldest key below a name leads. The keys are those of npm `etcd3`. */
import { EventEmitter } from "node:events";
import { deferred } from "../base/deferred.ts";
import { Campaign } from "./campaign.ts";
import { castError } from "./errors.ts";
import type { IKeyValue } from "./messages/kv.ts";
import type { Namespace } from "./namespace.ts";

const DEFAULT_TTL_SECONDS = 60;

export class Election {
  static readonly prefix = "election";
  readonly name: string;
  readonly #ttl: number;
  readonly #namespace: Namespace;

  /** `ttl`: seconds until a leader that has vanished is followed by the next. Default 60. */
  constructor(parent: Namespace, name: string, ttl = DEFAULT_TTL_SECONDS) {
    this.name = name;
    this.#ttl = ttl;
    this.#namespace = parent.namespace(`${Election.prefix}/${name}/`);
  }

  /** Stands for election with this value. */
  campaign(value: string): Campaign {
    return new Campaign(this.#namespace, value, this.#ttl);
  }

  /** The value of who leads now; undefined if nobody does. */
  leader(encoding?: BufferEncoding): Promise<string | undefined>;
  leader(encoding: "buffer"): Promise<Buffer | undefined>;
  async leader(
    encoding: BufferEncoding | "buffer" = "utf-8",
  ): Promise<string | Buffer | undefined> {
    const [leader] = (await oldest(this.#namespace)).kvs;
    return leaderValue(leader, encoding);
  }

  /** Follows who leads; settles when that is known for the first time. */
  async observe(): Promise<ElectionObserver> {
    const observer = new ElectionObserver(this.#namespace);
    await observer.known;
    return observer;
  }
}

const oldest = (namespace: Namespace) =>
  namespace.getAll().sort("Create", "Ascend").limit(1).exec();

function leaderValue(
  leader: IKeyValue | undefined,
  encoding: BufferEncoding | "buffer",
): string | Buffer | undefined {
  if (leader === undefined) return undefined;
  return encoding === "buffer" ? leader.value : leader.value.toString(encoding);
}

interface ObserverEvents {
  /** Another leader, another value of the leader, or undefined: nobody leads. */
  change: [value: string | undefined];
  disconnected: [error: Error];
  error: [error: Error];
}

export class ElectionObserver extends EventEmitter {
  /** Settles when the first look has been taken. */
  readonly known: Promise<void>;
  readonly #namespace: Namespace;
  readonly #ended: Promise<void>;
  #running = true;
  #wake: () => void = () => undefined;
  #leader: IKeyValue | undefined;

  constructor(namespace: Namespace) {
    super();
    this.#namespace = namespace;
    const { promise, resolve, reject } = deferred();
    this.known = promise;
    this.#ended = this.#follow(resolve).catch((error: unknown) => {
      reject(error);
      // Before the first look the error is told by `known`.
      if (this.listenerCount("error") > 0) this.emit("error", castError(error));
    });
  }

  get hasLeader(): boolean {
    return this.#leader !== undefined;
  }

  leader(encoding?: BufferEncoding): string | undefined;
  leader(encoding: "buffer"): Buffer | undefined;
  leader(encoding: BufferEncoding | "buffer" = "utf-8"): string | Buffer | undefined {
    return leaderValue(this.#leader, encoding);
  }

  async cancel(): Promise<void> {
    this.#running = false;
    this.#wake();
    await this.#ended;
  }

  override on<K extends keyof ObserverEvents>(
    event: K,
    handler: (...args: ObserverEvents[K]) => void,
  ): this {
    return super.on(event, handler as (...args: unknown[]) => void);
  }

  /** Looks, then waits until something below the name changes, and looks again. */
  async #follow(onKnown: () => void): Promise<void> {
    let look = await oldest(this.#namespace);
    this.#leader = look.kvs[0];
    onKnown();
    const watcher = this.#namespace
      .watch()
      .prefix("")
      .startRevision(Number(look.header.revision) + 1)
      .watcher();
    let change = deferred();
    watcher.on("data", ({ events }) => events.length > 0 && change.resolve());
    watcher.on("disconnected", (error) => this.emit("disconnected", error));
    const failed = new Promise<never>((_, reject) => watcher.on("error", reject));
    failed.catch(() => undefined);
    try {
      while (this.#running) {
        this.#wake = change.resolve;
        await Promise.race([change.promise, failed]);
        change = deferred();
        if (!this.#running) return;
        look = await oldest(this.#namespace);
        this.#lead(look.kvs[0]);
      }
    } finally {
      await watcher.cancel();
    }
  }

  #lead(leader: IKeyValue | undefined): void {
    const before = this.#leader;
    this.#leader = leader;
    const isSame =
      before === undefined || leader === undefined
        ? before === leader
        : before.value.equals(leader.value);
    if (!isSame) this.emit("change", leader?.value.toString());
  }
}
