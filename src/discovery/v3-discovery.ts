/**
 * v3 discovery (`--discovery-token`, `--discovery-endpoints`): a member registers itself below a
 * token in another etcd cluster, and waits until as many have done so as the token's size says.
 * Log lines are etcd 3.6's.
 *
 * What the service does not answer is asked again, for as long as the member lives; what it
 * answers wrongly ends the start.
 */
import { errorMessage } from "../base/error-message.ts";
import { parseInitialCluster } from "../base/etcd-url.ts";
import { formatDuration, TextError } from "../base/go-text.ts";
import type { MemberID, Revision } from "../base/ids.ts";
import {
  EtcdClient,
  EtcdClientError,
  type EtcdClientOptions,
  type KeyValue,
} from "../client/index.ts";
import type { Clock } from "../env/clock.ts";
import { type Discovery, DiscoveryError } from "../env/discovery.ts";
import type { LogFields, Logger } from "../env/logger.ts";
import { Retries } from "./retries.ts";
import { RegisteredMembers, V3Registry } from "./v3-registry.ts";

export interface V3DiscoveryOptions {
  readonly token: string;
  readonly endpoints: readonly string[];
  /** Read when a member joins. Throws in words for the log when files cannot be used. */
  readonly client: () => Omit<EtcdClientOptions, "endpoints">;
}

export interface V3DiscoveryDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

export class V3Discovery implements Discovery {
  readonly kind = "v3";
  readonly #options: V3DiscoveryOptions;
  readonly #deps: V3DiscoveryDeps;

  constructor(options: V3DiscoveryOptions, deps: V3DiscoveryDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  async join(id: MemberID, self: string): Promise<string> {
    const { token, endpoints } = this.#options;
    const log = new ServiceLog(this.#deps.logger, {
      "discovery-token": token,
      "discovery-endpoints": endpoints.join(","),
    });
    this.#deps.logger.info("Bootstrapping cluster using v3 discovery.");
    const client = this.#connect();
    try {
      const cluster = await new Registration(client, token, id, { ...this.#deps, log }).join(self);
      log.info("discovery joined cluster successfully", { cluster });
      return cluster;
    } catch (error) {
      if (error instanceof DiscoveryError) {
        const cluster = error.failure === "clusterFull" ? "" : (error.cluster ?? "");
        log.error("discovery failed to join cluster", { cluster, error: error.reason });
      }
      throw error;
    } finally {
      client.close();
    }
  }

  #connect(): EtcdClient {
    try {
      return new EtcdClient({ ...this.#options.client(), endpoints: this.#options.endpoints });
    } catch (error) {
      throw new DiscoveryError("other", errorMessage(error));
    }
  }
}

/** Says with every line which service and which token it is about. */
class ServiceLog {
  readonly #logger: Logger;
  readonly #fields: LogFields;

  constructor(logger: Logger, fields: LogFields) {
    this.#logger = logger;
    this.#fields = fields;
  }

  info(message: string, fields: LogFields = {}): void {
    this.#logger.info(message, { ...this.#fields, ...fields });
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#logger.warn(message, { ...this.#fields, ...fields });
  }

  error(message: string, fields: LogFields = {}): void {
    this.#logger.error(message, { ...this.#fields, ...fields });
  }
}

/** What the service says of a cluster. */
interface Found {
  readonly members: RegisteredMembers;
  readonly size: number;
  readonly revision: Revision;
}

class Registration {
  readonly #client: EtcdClient;
  readonly #registry: V3Registry;
  readonly #ownKey: string;
  readonly #log: ServiceLog;
  readonly #retries: Retries;

  constructor(
    client: EtcdClient,
    token: string,
    id: MemberID,
    { clock, log }: { readonly clock: Clock; readonly log: ServiceLog },
  ) {
    this.#client = client;
    this.#registry = new V3Registry(token);
    this.#ownKey = this.#registry.memberKey(id);
    this.#log = log;
    this.#retries = new Retries(clock);
  }

  async join(self: string): Promise<string> {
    // A cluster that is full gets no more keys.
    await this.#check();
    await this.#register(self);
    let found = await this.#check();
    while (found.members.size < found.size) {
      if (!(await this.#waitForMore(found))) found = await this.#check();
    }
    const cluster = found.members.initialCluster(found.size);
    try {
      parseInitialCluster(cluster);
    } catch (error) {
      if (!(error instanceof TextError)) throw error;
      throw new DiscoveryError("other", "discovery: invalid peer URL", cluster);
    }
    return cluster;
  }

  /** Throws `DiscoveryError` when the token is of no use to this member. */
  async #check(): Promise<Found> {
    const size = await this.#size();
    const { members, revision } = await this.#ask(
      "cluster status check",
      async () => {
        const prefix = this.#registry.membersPrefix;
        const answer = await this.#client.kv.get(prefix, { prefix: true });
        const found = new RegisteredMembers();
        for (const kv of answer.kvs) this.#take(found, kv);
        return { members: found, revision: answer.header.revision };
      },
      {
        message: "failed to get cluster members from discovery service",
        fields: { membersKeyPrefix: this.#registry.membersPrefix },
      },
    );
    this.#retries.reset();
    if (members.isFullFor(this.#ownKey, size)) {
      const cluster = members.initialCluster(size);
      throw new DiscoveryError("clusterFull", "discovery: cluster is full", cluster);
    }
    return { members, size, revision };
  }

  async #size(): Promise<number> {
    const key = this.#registry.sizeKey;
    const answer = await this.#ask("cluster status check", () => this.#client.kv.get(key), {
      message: "failed to get cluster size from discovery service",
      fields: { clusterSizeKey: key },
    });
    const [kv] = answer.kvs;
    if (kv === undefined) throw new DiscoveryError("other", "discovery: size key not found");
    const text = kv.valueText;
    const size = /^[+-]?\d+$/.test(text) ? Number(text) : 0;
    if (size <= 0 || !Number.isSafeInteger(size)) {
      throw new DiscoveryError("other", "discovery: size key is bad");
    }
    return size;
  }

  async #register(self: string): Promise<void> {
    const fields = { memberKey: this.#ownKey };
    await this.#ask("register member itself", () => this.#client.kv.put(this.#ownKey, self), {
      message: "failed to register members itself to the discovery service",
      fields,
    });
    this.#retries.reset();
    this.#log.info("register member itself successfully", { ...fields, memberInfo: self });
  }

  /** Takes in who comes. False when the watch has ended before all were there. */
  async #waitForMore({ members, size, revision }: Found): Promise<boolean> {
    const counts = () => ({ clusterSize: size, "found-peers": members.size });
    this.#log.info("waiting for peers from discovery service", counts());
    const prefix = this.#registry.membersPrefix;
    try {
      const watch = this.#client.watch(prefix, { prefix: true, startRevision: revision + 1 });
      for await (const { events } of watch) {
        for (const { kv } of events) this.#take(members, kv);
        if (members.size >= size) break;
      }
    } catch (error) {
      if (!(error instanceof EtcdClientError)) throw error;
      this.#log.warn("error while waiting for peers", { error });
      await this.#pause("waiting for other nodes");
      return false;
    }
    this.#log.info("found all needed peers from discovery service", counts());
    return true;
  }

  #take(members: RegisteredMembers, { keyText, valueText, createRevision }: KeyValue): void {
    const member = { key: keyText.trim(), value: valueText.trim(), createRevision };
    const fields = { memberKey: member.key, memberInfo: member.value };
    const refusal = members.add(member);
    if (refusal === undefined) this.#log.info("found peer from discovery service", fields);
    else this.#log.warn(refusal, fields);
  }

  /** The first answer, with a pause after each failure. */
  async #ask<T>(
    step: string,
    attempt: () => Promise<T>,
    failed: { readonly message: string; readonly fields: LogFields },
  ): Promise<T> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof EtcdClientError)) throw error;
        this.#log.warn(failed.message, { ...failed.fields, error });
      }
      await this.#pause(step);
    }
  }

  #pause(reason: string): Promise<void> {
    return this.#retries.pause((backoffMs) => {
      const backoff = formatDuration(backoffMs);
      this.#log.warn("retry connecting to discovery service", { reason, backoff });
    });
  }
}
