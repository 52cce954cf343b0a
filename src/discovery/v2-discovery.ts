/**
 * v2 discovery (`--discovery URL`): a member writes its name and URLs below the token's URL, which
 * any etcd with the v2 API or a public service serves, and waits until as many are there as
 * `_config/size` says. Log lines and refusals are etcd's.
 *
 * A service that cannot be reached is asked again, for as long as the member lives. Not so the
 * registration itself: whether a request without an answer was served cannot be known.
 */
import { posix } from "node:path";
import { parseInitialCluster } from "../base/etcd-url.ts";
import { formatDuration, TextError } from "../base/go-text.ts";
import { formatID, type MemberID } from "../base/ids.ts";
import type { Clock } from "../env/clock.ts";
import { type Discovery, DiscoveryError, type DiscoveryFailure } from "../env/discovery.ts";
import type { Logger } from "../env/logger.ts";
import { sleep } from "../env/sleep.ts";
import { ExchangeTimeout, UnreachableError } from "./http-exchange.ts";
import { Retries } from "./retries.ts";
import {
  type V2Answer,
  V2ClusterError,
  V2FormError,
  V2Keys,
  type V2Node,
  V2StoreError,
} from "./v2-keys.ts";

export interface V2DiscoveryOptions {
  readonly url: string;
  /** Of an HTTP proxy on the way; "" for none. */
  readonly proxy: string;
  /** Whom https trusts, as PEM texts. */
  readonly authorities: () => readonly string[];
}

export interface V2DiscoveryDeps {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The store's code for a key that is there already. */
const NODE_EXISTS = 105;
/** Between two waits of which the first was answered with nothing. */
const EMPTY_PAUSE_MS = 1000;

export class V2Discovery implements Discovery {
  readonly kind = "v2";
  readonly #options: V2DiscoveryOptions;
  readonly #deps: V2DiscoveryDeps;

  constructor(options: V2DiscoveryOptions, deps: V2DiscoveryDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  async join(id: MemberID, self: string): Promise<string> {
    this.#deps.logger.warn("V2 discovery is deprecated!");
    return this.#run(id, (token) => token.join(self));
  }

  /** The members of the token's cluster, for who is none of them; waits until all are there. */
  async members(): Promise<string> {
    return this.#run(0n, (token) => token.members());
  }

  async #run(id: MemberID, act: (token: Token) => Promise<string>): Promise<string> {
    try {
      const proxy = proxyOf(this.#options.proxy);
      if (proxy !== undefined) {
        this.#deps.logger.info("running proxy with discovery", { "proxy-url": textOf(proxy) });
      }
      const url = urlOf(this.#options.url);
      const { authorities } = this.#options;
      const keys = new V2Keys(url, { proxy, authorities, clock: this.#deps.clock });
      return await act(new Token(keys, url, id, this.#deps));
    } catch (error) {
      if (isAnswer(error)) throw new DiscoveryError("other", error.message);
      throw error;
    }
  }
}

/** Whether an error is about the service rather than a fault of this program. */
function isAnswer(error: unknown): error is Error {
  return [V2StoreError, V2FormError, UnreachableError, ExchangeTimeout, TextError].some(
    (kind) => error instanceof kind,
  );
}

function urlOf(text: string): URL {
  const isComplete = /^https?:\/\/[^/]/i.test(text) && URL.canParse(text);
  if (!isComplete) throw new DiscoveryError("other", "discovery: invalid URL");
  return new URL(text);
}

/** As etcd does, a proxy without a scheme gets one. */
function proxyOf(text: string): URL | undefined {
  if (text === "") return undefined;
  const full = /^https?:/.test(text) ? text : `http://${text}`;
  if (!URL.canParse(full)) {
    throw new DiscoveryError("other", `invalid proxy address ${JSON.stringify(text)}`);
  }
  return new URL(full);
}

/** Without a user and a password. */
function textOf({ origin, pathname, search }: URL): string {
  return pathname === "/" && search === "" ? origin : origin + pathname + search;
}

/** What the service says of a token. */
interface Found {
  readonly nodes: readonly V2Node[];
  readonly size: number;
  /** Of the store, when it was asked. */
  readonly index: number;
}

class Token {
  readonly #keys: V2Keys;
  readonly #path: string;
  readonly #ownName: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #retries: Retries;
  readonly #service: { readonly "discovery-url": string };

  constructor(keys: V2Keys, url: URL, id: MemberID, { clock, logger }: V2DiscoveryDeps) {
    this.#keys = keys;
    this.#path = decodeURIComponent(url.pathname);
    this.#ownName = formatID(id);
    this.#clock = clock;
    this.#logger = logger;
    this.#retries = new Retries(clock);
    this.#service = { "discovery-url": url.origin };
  }

  async join(self: string): Promise<string> {
    // A token that is used up gets no more keys.
    refuseFull(await this.#check());
    await this.#register(self);
    return this.#waitForAll(refuseFull(await this.#check()));
  }

  async members(): Promise<string> {
    const found = await this.#check();
    return found.isFull ? toCluster(found) : this.#waitForAll(found);
  }

  async #register(self: string): Promise<void> {
    const key = posix.join(this.#path, this.#ownName);
    let created: V2Answer;
    try {
      created = await this.#keys.create(key, self);
    } catch (error) {
      if (!(error instanceof V2StoreError) || error.code !== NODE_EXISTS) throw error;
      throw new DiscoveryError("duplicateID", "discovery: found duplicate id");
    }
    // The members of the service that answers may not have it yet.
    try {
      await this.#next(key, created.node.createdIndex, false);
    } catch (error) {
      if (!(error instanceof V2ClusterError)) throw error;
      throw new DiscoveryError("other", error.message);
    }
  }

  async #check(): Promise<Found & { readonly isFull: boolean }> {
    const size = await this.#size();
    const { node, index } = await this.#get(this.#path);
    const nodes = node.nodes.filter(({ key }) => nameOf(key) !== "_config");
    nodes.sort((a, b) => a.createdIndex - b.createdIndex);
    const first = nodes.slice(0, size);
    const isFull = nodes.length >= size && !first.some(({ key }) => nameOf(key) === this.#ownName);
    return { nodes: first, size, index, isFull };
  }

  async #size(): Promise<number> {
    try {
      return readSize(await this.#get(posix.join("/", this.#path, "_config", "size")));
    } catch (error) {
      if (!(error instanceof V2FormError) || error.isEmpty) throw error;
      throw new DiscoveryError("other", "discovery: bad discovery endpoint");
    }
  }

  async #get(key: string): Promise<V2Answer> {
    for (;;) {
      try {
        return await this.#keys.get(key);
      } catch (error) {
        if (!(error instanceof V2ClusterError)) throw error;
        const fields = { ...this.#service, path: key, error, "err-detail": error.detail };
        this.#logger.warn("failed to get from discovery server", fields);
        await this.#pause("cluster status check");
      }
    }
  }

  async #waitForAll(first: Found): Promise<string> {
    for (let found = first; ; ) {
      const all = await this.#waitFrom(found);
      if (all !== undefined) return toCluster({ ...found, nodes: all });
      await this.#pause("waiting for other nodes");
      found = refuseFull(await this.#check());
    }
  }

  /** Undefined when the service has broken off. */
  async #waitFrom({ nodes, size, index }: Found): Promise<readonly V2Node[] | undefined> {
    const all = [...nodes];
    for (const { key } of all) this.#tellFound(nameOf(key));
    let waitIndex = index + 1;
    while (all.length < size) {
      this.#logger.info("found peers from discovery server; waiting for more", {
        ...this.#service,
        "found-peers": all.length,
        "needed-peers": size - all.length,
      });
      try {
        const { node } = await this.#next(this.#path, waitIndex, true);
        this.#tellFound(nameOf(node.key));
        waitIndex = node.modifiedIndex + 1;
        all.push(node);
      } catch (error) {
        if (!(error instanceof V2ClusterError)) throw error;
        const fields = { ...this.#service, error, "err-detail": error.detail };
        this.#logger.warn("error while waiting for peers", fields);
        return undefined;
      }
    }
    this.#logger.info("found all needed peers from discovery server", {
      ...this.#service,
      "found-peers": all.length,
    });
    return all;
  }

  #tellFound(name: string): void {
    if (name === this.#ownName) {
      this.#logger.info("found self from discovery server", { ...this.#service, self: name });
    } else {
      this.#logger.info("found peer from discovery server", { ...this.#service, peer: name });
    }
  }

  async #next(key: string, waitIndex: number, recursive: boolean): Promise<V2Answer> {
    for (;;) {
      const answer = await this.#keys.wait(key, waitIndex, recursive);
      if (answer !== undefined) return answer;
      await sleep(this.#clock, EMPTY_PAUSE_MS);
    }
  }

  #pause(reason: string): Promise<void> {
    return this.#retries.pause((backoffMs) => {
      this.#logger.info("retry connecting to discovery service", {
        url: this.#service["discovery-url"],
        reason,
        backoff: formatDuration(backoffMs),
      });
    });
  }
}

function refuseFull(found: Found & { readonly isFull: boolean }): Found {
  if (!found.isFull) return found;
  throw refusal("clusterFull", "discovery: cluster is full", found.nodes);
}

function refusal(failure: DiscoveryFailure, reason: string, nodes: readonly V2Node[]) {
  return new DiscoveryError(failure, reason, nodes.map(({ value }) => value).join(","));
}

function readSize({ node: { value } }: V2Answer): number {
  const size = /^\d+$/.test(value) ? Number(value) : 0;
  if (size < 1 || !Number.isSafeInteger(size)) {
    throw new DiscoveryError("other", "discovery: size key is bad");
  }
  return size;
}

function toCluster({ nodes, size }: Found): string {
  const cluster = nodes.map(({ value }) => value).join(",");
  let names: number;
  try {
    names = parseInitialCluster(cluster).size;
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    throw refusal("other", "discovery: invalid URL", nodes);
  }
  if (names === size) return cluster;
  throw refusal("duplicateName", "discovery: found duplicate name", nodes);
}

function nameOf(key: string): string {
  return posix.basename(key);
}
