/** Standing for election: a key that lives as long as its lease, and waits for its elders to go. */
import { EventEmitter } from "node:events";
import { castError, NotCampaigningError } from "./errors.ts";
import { toBuffer } from "./keys.ts";
import type { Lease } from "./lease.ts";
import type { Namespace } from "./namespace.ts";

interface CampaignEvents {
  elected: [];
  /** The campaign has ended: its lease is lost, or it could not be made. */
  error: [error: Error];
}

export class Campaign extends EventEmitter {
  readonly #namespace: Namespace;
  readonly #lease: Lease;
  /** Settles with the revision at which the key came into being. */
  readonly #registered: Promise<string>;
  readonly #resigning = new AbortController();
  #value: Buffer;
  #isElected = false;

  constructor(namespace: Namespace, value: string | Buffer, ttl: number) {
    super();
    this.#namespace = namespace;
    this.#value = toBuffer(value);
    this.#lease = namespace.lease(ttl);
    this.#lease.on("lost", (error) => this.#fail(error));
    this.#registered = this.#register();
    this.#run().catch((error: unknown) => this.#fail(castError(error)));
  }

  override on<K extends keyof CampaignEvents>(
    event: K,
    handler: (...args: CampaignEvents[K]) => void,
  ): this {
    return super.on(event, handler as (...args: unknown[]) => void);
  }

  /** Settles when this campaign is elected. */
  wait(): Promise<this> {
    if (this.#isElected) return Promise.resolve(this);
    return new Promise((resolve, reject) => {
      this.once("elected", () => resolve(this));
      this.once("error", reject);
    });
  }

  /** Changes the value. Rejects with `NotCampaigningError` when it has resigned or lost its key. */
  async proclaim(value: string | Buffer): Promise<void> {
    const next = toBuffer(value);
    if (this.#hasResigned) throw new NotCampaigningError();
    const revision = await this.#registered;
    if (next.equals(this.#value) && !this.#hasResigned) {
      // The same value is written all the same when the key may be gone.
      if (await this.#namespace.get(await this.#lease.grant()).exists()) return;
    }
    const id = await this.#lease.grant();
    const { succeeded } = await this.#namespace
      .if(id, "Create", "==", revision)
      .then(this.#namespace.put(id).value(next).lease(id))
      .commit();
    if (!succeeded) {
      await this.resign();
      throw new NotCampaigningError();
    }
    this.#value = next;
  }

  /** The whole key of this campaign, once it is there. */
  async getCampaignKey(): Promise<string> {
    await this.#registered;
    return this.#namespace.prefix.toString() + (await this.#lease.grant());
  }

  /** Leaves, so that the next in line leads. */
  async resign(): Promise<void> {
    if (this.#hasResigned) return;
    this.#resigning.abort();
    await this.#lease.revoke();
  }

  get #hasResigned(): boolean {
    return this.#resigning.signal.aborted;
  }

  #fail(error: Error): void {
    if (this.#hasResigned) return;
    this.#resigning.abort();
    this.#lease.revoke().catch(() => undefined);
    // An emitter without listeners would throw: whoever asks next is told.
    if (this.listenerCount("error") > 0) this.emit("error", error);
  }

  async #register(): Promise<string> {
    const id = await this.#lease.grant();
    const put = this.#namespace.put(id).value(this.#value).lease(id);
    const { header } = await this.#namespace.if(id, "Create", "==", 0).then(put).commit();
    return header.revision;
  }

  /** Waits for the youngest of its elders, until there is none. */
  async #run(): Promise<void> {
    const revision = Number(await this.#registered);
    while (!this.#hasResigned) {
      const { kvs, header } = await this.#namespace
        .getAll()
        .maxCreateRevision(revision - 1)
        .sort("Create", "Descend")
        .limit(1)
        .exec();
      const elder = kvs[0];
      if (elder === undefined) break;
      this.emit("_isWaiting");
      await this.#gone(elder.key, Number(header.revision) + 1);
    }
    if (this.#hasResigned) return;
    this.#isElected = true;
    this.emit("elected");
  }

  /** Settles when the key was deleted at or after `revision`, or this campaign has resigned. */
  async #gone(key: Buffer, revision: number): Promise<void> {
    const watcher = this.#namespace
      .watch()
      .key(key)
      .startRevision(revision)
      .only("delete")
      .watcher();
    const { signal } = this.#resigning;
    let onAbort: () => void = () => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        onAbort = resolve;
        signal.addEventListener("abort", onAbort);
        watcher.once("delete", () => resolve());
        watcher.once("error", reject);
      });
    } finally {
      signal.removeEventListener("abort", onAbort);
      await watcher.cancel();
    }
  }
}
