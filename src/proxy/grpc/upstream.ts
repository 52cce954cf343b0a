/**
 * The way to the cluster, for callers with different tokens: one client for each token, so that a
 * call can do no more than its caller may. Clients that nobody has used for a while are closed.
 */
import { errorMessage } from "../../base/error-message.ts";
import type { ResponseHeader } from "../../api/gen/rpc.ts";
import { METHODS as ROWS } from "../../api/rpc-table.ts";
import type { MessageType } from "../../api/message-type.ts";
import {
  type CallOptions,
  EtcdClient,
  EtcdClientError,
  type EtcdClientOptions,
  METHODS,
  type RpcMethod,
} from "../../client/index.ts";
import { copyBytes } from "../../base/bytes.ts";
import type { Revision } from "../../base/ids.ts";
import { StatusCode } from "../../api/errors.ts";
import type { Clock } from "../../env/clock.ts";
import type { Call } from "../../env/rpc.ts";

/** Clients with a token at a time; each has a connection to a member. The oldest one goes. */
const MAX_TOKENS = 1_000;

/** Proxies that one call passes at the most: bounds what is remembered for callers behind others. */
const MAX_PROXIES_IN_LINE = 8;
/** gRPC metadata: the proxies that a call has passed, so that one knows itself in a ring. */
const PASSED = "etcd-grpc-proxies";

/** On whose behalf a member is asked. */
export interface CallerIdentity {
  readonly token: string | undefined;
  /** Proxies before this one, separated by commas. */
  readonly passed: string;
  /** Different for different callers. */
  readonly name: string;
}

/** A message that is passed on as it is. */
export interface Raw {
  readonly bytes: Uint8Array;
}

const RAW: MessageType<Raw> = {
  typeName: "",
  fields: [],
  create: (init) => ({ bytes: new Uint8Array(0), ...init }),
  encode: ({ bytes }) => bytes,
  size: ({ bytes }) => bytes.length,
  write: ({ bytes }, target, at) => {
    target.set(bytes, at);
    return at + bytes.length;
  },
  decode: (bytes, start = 0, end = bytes.length) => ({
    bytes: copyBytes(bytes.subarray(start, end)),
  }),
};

/** By the method's index in the RPC table; what the client does not know of is never repeated. */
const RAW_METHODS: readonly RpcMethod<Raw, Raw>[] = ROWS.map(({ path }) => {
  const known = Object.values(METHODS).find((method) => method.path === path);
  return { path, request: RAW, response: RAW, repeat: known?.repeat ?? "write" };
});

export class Upstream {
  readonly clock: Clock;
  readonly #options: EtcdClientOptions;
  readonly #id: string;
  readonly #anonymous: EtcdClient;
  /** By the caller's name, in the order of their last use. */
  readonly #byName = new Map<string, EtcdClient>();
  /** Clients that watches need, beyond the calls that are made now. */
  readonly #held = new Map<EtcdClient, number>();
  /** Who answered last, for headers of answers that the proxy makes itself. */
  lastHeader: ResponseHeader | undefined;
  /** What others want to do with a client before it is closed. */
  beforeClose: (client: EtcdClient) => Promise<void> = async () => undefined;

  /** `id` is no other proxy's. */
  constructor(options: EtcdClientOptions & { readonly clock: Clock }, id: string) {
    this.#options = options;
    this.#id = id;
    this.clock = options.clock;
    this.#anonymous = new EtcdClient({ ...options, metadata: { [PASSED]: id } });
  }

  /** Why a call must not be passed on; undefined when it may be. */
  refusalOf(call: Call): string | undefined {
    const passed = call.metadata(PASSED);
    if (passed === undefined) return undefined;
    const ids = passed.split(",");
    if (ids.includes(this.#id))
      return "grpc-proxy: the endpoints of this proxy lead back to itself";
    const isKnown = ids.length < MAX_PROXIES_IN_LINE && /^[0-9a-f,]+$/.test(passed);
    return isKnown ? undefined : `grpc-proxy: more than ${MAX_PROXIES_IN_LINE} proxies in line`;
  }

  headerAt(revision: Revision): ResponseHeader {
    const { clusterId = 0n, memberId = 0n, raftTerm = 0 } = this.lastHeader ?? {};
    return { clusterId, memberId, revision, raftTerm };
  }

  /** Of the proxy itself: no token. */
  get own(): EtcdClient {
    return this.#anonymous;
  }

  async close(): Promise<void> {
    const clients = [this.#anonymous, ...this.#byName.values()];
    await Promise.all(clients.map((client) => this.#closeClient(client)));
  }

  async #closeClient(client: EtcdClient): Promise<void> {
    await this.beforeClose(client);
    client.close();
  }

  clientOf({ token, passed, name }: CallerIdentity): EtcdClient {
    if (token === undefined && passed === "") return this.#anonymous;
    const known = this.#byName.get(name);
    const client = known ?? this.#newClient(token, passed);
    this.#byName.delete(name);
    this.#byName.set(name, client);
    if (known === undefined) this.#closeSurplus();
    return client;
  }

  #newClient(token: string | undefined, passed: string): EtcdClient {
    const ids = passed === "" ? this.#id : `${passed},${this.#id}`;
    const { endpoints } = this.#anonymous;
    return new EtcdClient({ ...this.#options, endpoints, token, metadata: { [PASSED]: ids } });
  }

  /** Asks the cluster for its endpoints, for all callers. Answers what they are if they changed. */
  async syncEndpoints(): Promise<readonly string[] | undefined> {
    const known = this.#anonymous.endpoints.join();
    const endpoints = await this.#anonymous.syncEndpoints();
    if (endpoints.join() === known) return undefined;
    for (const client of this.#byName.values()) client.setEndpoints(endpoints);
    return endpoints;
  }

  /** Keeps a client open for as long as a watch needs it. */
  hold(client: EtcdClient): () => void {
    this.#held.set(client, (this.#held.get(client) ?? 0) + 1);
    return () => {
      const left = (this.#held.get(client) ?? 1) - 1;
      if (left > 0) this.#held.set(client, left);
      else this.#held.delete(client);
    };
  }

  /** Passes a call on as it is. */
  async raw(call: Call, body: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const client = this.clientOf(callerOf(call));
    const method = rawMethod(call.method);
    const { bytes } = await client.call(method, { bytes: body }, this.optionsOf(call, signal));
    return bytes;
  }

  /** Passes a call on whose answers are a stream. */
  async receive(
    call: Call,
    body: Uint8Array,
    onAnswer: (bytes: Uint8Array) => Promise<void> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const client = this.clientOf(callerOf(call));
    const method = rawMethod(call.method);
    const options = { signal, requireLeader: requiresLeader(call) };
    await client.receive(method, { bytes: body }, ({ bytes }) => onAnswer(bytes), options);
  }

  optionsOf(call: Call, signal: AbortSignal): CallOptions {
    const timeoutMs =
      call.deadlineMs === Number.POSITIVE_INFINITY
        ? undefined
        : Math.max(0, call.deadlineMs - this.clock.nowMs());
    return { signal, timeoutMs, requireLeader: requiresLeader(call) };
  }

  #closeSurplus(): void {
    for (const [name, client] of this.#byName) {
      if (this.#byName.size <= MAX_TOKENS) return;
      if (this.#held.has(client)) continue;
      this.#byName.delete(name);
      void this.#closeClient(client);
    }
  }
}

function rawMethod(index: number): RpcMethod<Raw, Raw> {
  const method = RAW_METHODS[index];
  if (method === undefined) throw new TypeError(`no method ${index}`);
  return method;
}

export function callerOf(call: Call): CallerIdentity {
  const token = call.metadata("token") ?? call.metadata("authorization");
  const passed = call.metadata(PASSED) ?? "";
  return { token, passed, name: passed === "" ? (token ?? "") : `${token ?? ""}\n${passed}` };
}

function requiresLeader(call: Call): boolean {
  return call.metadata("hasleader") === "true";
}

/** What the caller is told. */
export function statusOf(error: unknown): { readonly code: number; readonly message: string } {
  if (error instanceof EtcdClientError) return { code: error.code, message: error.message };
  const message = errorMessage(error);
  return { code: StatusCode.INTERNAL, message };
}
