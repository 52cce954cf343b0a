/**
 * Proxies of one cluster know each other: each has a key below the resolver's prefix, with a lease,
 * in the form of etcd's naming. `MemberList` names them in place of the members.
 */
import { Member, MemberListResponse, type ResponseHeader } from "../../api/gen/rpc.ts";
import { type KeyClient, Session } from "../../client/index.ts";
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import { sleep } from "../../env/sleep.ts";

export interface RegistrationOptions {
  /** "" registers nothing. */
  readonly prefix: string;
  /** Seconds. */
  readonly ttl: number;
  /** "" leaves `MemberList` to the members. */
  readonly address: string;
  readonly hostname: string;
}

export interface RegistrationDeps {
  readonly client: KeyClient;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Failures are tried again so often. */
const RETRY_MS = 1_000;
/** At the end of a session; then its lease is left to expire. */
const REVOKE_TIMEOUT_MS = 2_000;

export class RegisteredProxies {
  readonly #options: RegistrationOptions;
  readonly #deps: RegistrationDeps;
  /** By key. */
  readonly #members = new Map<string, Member>();
  readonly #abort = new AbortController();
  #registering: Promise<void> | undefined;

  constructor(options: RegistrationOptions, deps: RegistrationDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  start(): void {
    if (this.#options.prefix === "") return;
    this.#registering = this.#forever(() => this.#register());
    if (this.#options.address !== "") void this.#forever(() => this.#follow());
  }

  /** Settles when the registration is gone, or nobody can be told. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#registering;
  }

  /** What `MemberList` answers; undefined when the members should. */
  list(header: ResponseHeader | undefined): MemberListResponse | undefined {
    const { address, hostname } = this.#options;
    if (address === "") return undefined;
    const own = Member.create({ name: hostname, clientURLs: [address] });
    const members = this.#members.size === 0 ? [own] : [...this.#members.values()];
    return MemberListResponse.create({ header, members });
  }

  /** Until the session ends. */
  async #register(): Promise<void> {
    const { client, logger } = this.#deps;
    const { prefix, ttl, address, hostname } = this.#options;
    const session = await Session.create(client, { ttl, signal: this.#abort.signal });
    try {
      const Metadata = JSON.stringify({ name: hostname });
      const value = JSON.stringify({ Op: 0, Addr: address, Metadata });
      await client.kv.put(`${prefix}/${address}`, value, {
        lease: session.leaseID,
        signal: this.#abort.signal,
      });
      logger.info("registered session with lease", { addr: address, "lease-ttl": ttl });
      await aborted(AbortSignal.any([session.signal, this.#abort.signal]));
      if (this.#abort.signal.aborted) return;
      logger.warn("session expired; possible network partition or server restart");
      logger.warn("creating a new session to rejoin");
    } finally {
      await session.close({ timeoutMs: REVOKE_TIMEOUT_MS }).catch(() => undefined);
    }
  }

  /** Until the watch ends. */
  async #follow(): Promise<void> {
    const { client } = this.#deps;
    const prefix = `${this.#options.prefix}/`;
    const { signal } = this.#abort;
    const found = await client.kv.get(prefix, { prefix: true, signal });
    this.#members.clear();
    for (const kv of found.kvs) this.#set(kv.keyText, kv.valueText);
    const startRevision = found.revision + 1;
    for await (const { events } of client.watch(prefix, { prefix: true, startRevision, signal })) {
      for (const { type, kv } of events) {
        if (type === "put") this.#set(kv.keyText, kv.valueText);
        else this.#members.delete(kv.keyText);
      }
    }
  }

  /** Others may write there, too; what is no registration is passed over. */
  #set(key: string, text: string): void {
    try {
      const { Addr, Metadata } = JSON.parse(text) as { Addr?: unknown; Metadata?: unknown };
      const { name } = JSON.parse(String(Metadata)) as { name?: unknown };
      const member = { name: String(name ?? ""), clientURLs: [String(Addr ?? "")] };
      this.#members.set(key, Member.create(member));
    } catch (error) {
      this.#deps.logger.warn("failed to read a registered proxy", { key, error });
    }
  }

  async #forever(run: () => Promise<void>): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      await run().catch((error: unknown) => {
        if (!signal.aborted) this.#deps.logger.warn("failed to create a session", { error });
      });
      if (!signal.aborted) await sleep(this.#deps.clock, RETRY_MS);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
