/**
 * Tokens of the discovery service in an etcd: the keys of v3 discovery, each token's attached to a
 * lease, by which it is forgotten. Revisions are the indexes that v2 clients see.
 *
 * Members are made and never changed, so a wait is answered from what is there, however old its
 * index is: the history may be compacted.
 */
import type { LeaseID, Revision } from "../../base/ids.ts";
import { compare, type EtcdClient, type KeyValue, op } from "../../client/index.ts";
import { V3Registry } from "../v3-registry.ts";
import { MAX_SURPLUS_MEMBERS, STORE_TIMEOUT_MS } from "./limits.ts";

/** One key per token, to count them. */
const TOKENS_PREFIX = "/_etcd/discovery/tokens/";
const CALL = { timeoutMs: STORE_TIMEOUT_MS } as const;

export interface StoredKey {
  /** Of a member its id, otherwise "size". */
  readonly name: string;
  readonly value: string;
  readonly createdIndex: Revision;
}

export interface Token {
  readonly size: StoredKey;
  /** In the order in which they came. */
  readonly members: readonly StoredKey[];
  /** Of the store, when it was asked. */
  readonly index: Revision;
  readonly leaseID: LeaseID;
}

export type Registration =
  | { readonly kind: "made"; readonly member: StoredKey }
  | { readonly kind: "exists" | "crowded" | "noToken"; readonly index: Revision };

export interface TokenStoreOptions {
  /** Tokens are forgotten so long after they were made. */
  readonly tokenTtlSeconds: number;
  /** More are refused. */
  readonly maxTokens: number;
}

export class TokenStore {
  readonly #client: EtcdClient;
  readonly #options: TokenStoreOptions;

  constructor(client: EtcdClient, options: TokenStoreOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** False when there are too many tokens. */
  async create(token: string, size: number): Promise<boolean> {
    const counted = await this.#client.kv.get(TOKENS_PREFIX, {
      prefix: true,
      countOnly: true,
      ...CALL,
    });
    if (counted.count >= this.#options.maxTokens) return false;
    const { ID: leaseID } = await this.#client.lease.grant(this.#options.tokenTtlSeconds, CALL);
    await this.#client.kv
      .txn()
      .do(
        op.put(new V3Registry(token).sizeKey, String(size), { lease: leaseID }),
        op.put(TOKENS_PREFIX + token, "", { lease: leaseID }),
      )
      .commit(CALL);
    return true;
  }

  /** Undefined when nobody has made it, or its time is over; then only `index` is known. */
  async read(token: string): Promise<Token | { readonly index: Revision }> {
    const registry = new V3Registry(token);
    const { responses, header } = await this.#client.kv
      .txn()
      .do(op.get(registry.sizeKey), op.get(`${registry.membersPrefix}/`, { prefix: true }))
      .commit(CALL);
    const [sizes, members] = responses.map((each) => ("kvs" in each ? each.kvs : []));
    const size = sizes?.[0];
    if (size === undefined) return { index: header.revision };
    return {
      size: storedKey(size),
      members: (members ?? []).map(storedKey).sort((a, b) => a.createdIndex - b.createdIndex),
      index: header.revision,
      leaseID: size.lease,
    };
  }

  /** Makes a member that is not there yet. */
  async register(token: string, id: string, value: string): Promise<Registration> {
    const found = await this.read(token);
    if (!("size" in found)) return { kind: "noToken", index: found.index };
    const limit = Number(found.size.value) + MAX_SURPLUS_MEMBERS;
    if (found.members.length >= limit) return { kind: "crowded", index: found.index };
    const registry = new V3Registry(token);
    const key = `${registry.membersPrefix}/${id}`;
    const made = await this.#client.kv
      .txn()
      .if(
        compare.missing(key),
        compare.createRevision(registry.sizeKey).equal(found.size.createdIndex),
      )
      .do(op.put(key, value, { lease: found.leaseID }))
      .commit(CALL);
    const index = made.header.revision;
    if (!made.succeeded) return { kind: "exists", index };
    return { kind: "made", member: { name: id, value, createdIndex: index } };
  }

  /** The first member, or the one of this id, at or after an index. Undefined when the token ends. */
  async waitForMember(
    token: string,
    id: string | undefined,
    fromIndex: Revision,
    signal: AbortSignal,
  ): Promise<StoredKey | undefined> {
    const found = await this.read(token);
    if (!("size" in found)) return undefined;
    const isWanted = (key: StoredKey): boolean =>
      key.createdIndex >= fromIndex && (id === undefined || key.name === id);
    const known = found.members.find(isWanted);
    if (known !== undefined) return known;
    const root = new V3Registry(token).root;
    const watch = this.#client.watch(`${root}/`, {
      prefix: true,
      startRevision: found.index + 1,
      signal,
    });
    for await (const { events } of watch) {
      for (const { type, kv } of events) {
        if (type === "delete") return undefined;
        const member = storedKey(kv);
        if (isWanted(member)) return member;
      }
    }
    return undefined;
  }
}

function storedKey({ keyText, valueText, createRevision }: KeyValue): StoredKey {
  const name = keyText.slice(keyText.lastIndexOf("/") + 1);
  return { name, value: valueText, createdIndex: createRevision };
}
