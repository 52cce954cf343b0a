/**
 * What all services of one `Etcd3` share: the client below, the policies of the user around its
 * calls, and a stand-in for tests.
 */
import { type CallOptions, EtcdClient, type RpcMethod } from "../client/index.ts";
import { METHODS_OF, type ServiceName } from "./call-table.ts";
import { castError } from "./errors.ts";
import { fromMessage, toMessage } from "./messages/convert.ts";
import {
  callOptionsOf,
  clientOptionsOf,
  endpointsOf,
  hasPolicies,
  type ICallOptions,
  type IOptions,
  type IPolicy,
} from "./options.ts";

/** Carries out calls of the API by their names; what `mock` takes. */
export interface ICallable {
  exec(
    service: ServiceName,
    method: string,
    payload: object,
    options?: ICallOptions,
  ): Promise<unknown>;
}

interface Host {
  readonly endpoint: string;
  readonly policy: IPolicy | undefined;
}

export class ConnectionPool implements ICallable {
  /** The client below, for what the API of npm `etcd3` does not have. */
  readonly client: EtcdClient;
  readonly #options: IOptions;
  /** Undefined: the client chooses. */
  readonly #hosts: readonly Host[] | undefined;
  readonly #closing = new Set<() => void>();
  readonly #disconnected = new Set<() => void>();
  #mock: Partial<ICallable> | undefined;
  /** Attempts go to one host after the other. */
  #turn = 0;

  constructor(options: IOptions) {
    this.#options = options;
    this.client = new EtcdClient({
      ...clientOptionsOf(options),
      onEvent: ({ kind }) => {
        if (kind === "disconnected") for (const listener of this.#disconnected) listener();
      },
    });
    const makePolicy = options.faultHandling?.host;
    this.#hosts = hasPolicies(options)
      ? endpointsOf(options).map((endpoint) => ({
          endpoint,
          policy: makePolicy?.(endpoint.replace(/^https?:\/\//, "")),
        }))
      : undefined;
  }

  mock(callable: Partial<ICallable>): void {
    this.#mock = callable;
  }

  unmock(): void {
    this.#mock = undefined;
  }

  close(): void {
    this.client.close();
    for (const listener of this.#closing) listener();
    this.#closing.clear();
  }

  /** Calls `listener` when the pool is closed; returns how to stop that. */
  onClose(listener: () => void): () => void {
    this.#closing.add(listener);
    return () => this.#closing.delete(listener);
  }

  /** The same whenever a connection is lost. */
  onDisconnect(listener: () => void): () => void {
    this.#disconnected.add(listener);
    return () => this.#disconnected.delete(listener);
  }

  /** Calls a unary method. Rejects with the classes of `errors.ts`. */
  async exec(
    service: ServiceName,
    name: string,
    payload: object,
    options?: ICallOptions,
  ): Promise<unknown> {
    if (this.#mock?.exec !== undefined) return this.#mock.exec(service, name, payload, options);
    const method = METHODS_OF[service][name];
    if (method === undefined) throw new TypeError(`${service} has no method ${name}`);
    const request = toMessage(method.request, payload);
    const context = { service, method: name, params: payload, isStream: false };
    const attempt = async (endpoint?: string): Promise<unknown> => {
      const { clock } = this.client;
      const callOptions = callOptionsOf(options, this.#options.defaultCallOptions, clock, context);
      try {
        return await this.#call(method, request, { ...callOptions, endpoint });
      } catch (error) {
        throw castError(error, service);
      }
    };
    const hosts = this.#hosts;
    if (hosts === undefined) return attempt();
    const overHosts = () => withHosts(hosts, () => this.#turn++, attempt);
    const global = this.#options.faultHandling?.global;
    return global === undefined ? overHosts() : global.execute(overHosts);
  }

  async #call<Q, R>(method: RpcMethod<Q, R>, request: Q, options: CallOptions): Promise<unknown> {
    return fromMessage(method.response, await this.client.call(method, request, options));
  }
}

/** The next host whose policy lets a call through. */
async function withHosts(
  hosts: readonly Host[],
  nextTurn: () => number,
  attempt: (endpoint: string) => Promise<unknown>,
): Promise<unknown> {
  let refused: unknown;
  for (let i = 0; i < hosts.length; i++) {
    const { endpoint, policy } = hosts[nextTurn() % hosts.length] as Host;
    if (policy === undefined) return attempt(endpoint);
    let isThrough = false;
    try {
      return await policy.execute(() => {
        isThrough = true;
        return attempt(endpoint);
      });
    } catch (error) {
      if (isThrough) throw error;
      refused = error;
    }
  }
  throw castError(refused);
}
