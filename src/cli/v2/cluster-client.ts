/**
 * The v2 client: tries endpoints in turn, keeps to one that answered, and learns the members'
 * addresses from the cluster. The order of endpoints is by chance, so that clients spread.
 */
import { quote } from "../../base/go-quote.ts";
import { type Address, parseAddress } from "./address.ts";
import { ClientError, ClusterError, DeadlineError, NoEndpointsError } from "./errors.ts";
import type { HttpAnswer, HttpRequest, Transport } from "./transport.ts";

export interface Action {
  readonly method: string;
  /** Path and query on a member, escaped; the path of its endpoint comes before it. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly isWait?: boolean;
  /** Never sent a second time: it could be carried out twice. */
  readonly isOneShot?: boolean;
}

export interface ClusterClientOptions {
  readonly transport: Transport;
  readonly endpoints: readonly string[];
  /** Zero for no limit. */
  readonly headerTimeoutMs: number;
  readonly credentials?: { readonly username: string; readonly password: string };
  /** A number below `limit`. */
  readonly below: (limit: number) => number;
  /** Told each request, as a command line of cURL. */
  readonly onCurl?: (command: string) => void;
}

/** More redirects are a loop. */
const MAX_REDIRECTS = 10;

export class ClusterClient {
  readonly #options: ClusterClientOptions;
  #endpoints: readonly Address[] = [];
  /** The endpoint that is tried first. */
  #pinned = 0;

  /** @throws ClientError when an endpoint is no address. */
  constructor(options: ClusterClientOptions) {
    this.#options = options;
    this.#endpoints = this.#shuffled(parseAll(options.endpoints));
  }

  get endpoints(): readonly string[] {
    return this.#endpoints.map((endpoint) => endpoint.href);
  }

  /** Takes the members' own addresses instead of those given, unless they are the same. */
  use(endpoints: readonly string[]): void {
    const addresses = parseAll(endpoints);
    const sorted = (list: readonly string[]): string => JSON.stringify([...list].sort());
    if (sorted(addresses.map(({ href }) => href)) === sorted(this.endpoints)) return;
    this.#endpoints = this.#shuffled(addresses);
    this.#pinned = 0;
  }

  /** The answer of the first member that gives one, whatever its status below 500. */
  async do(action: Action, signal: AbortSignal | undefined): Promise<HttpAnswer> {
    const endpoints = this.#endpoints;
    const errors: ClientError[] = [];
    const first = this.#pinned;
    for (let i = 0; i < endpoints.length; i++) {
      const at = (first + i) % endpoints.length;
      const endpoint = endpoints[at];
      if (endpoint === undefined) break;
      try {
        const answer = await this.#follow(endpoint, action, signal);
        const problem = serverProblem(answer.status, endpoint);
        if (problem === undefined) {
          this.#pinned = at;
          return answer;
        }
        errors.push(problem);
      } catch (error) {
        if (!(error instanceof ClientError) || error instanceof DeadlineError) throw error;
        errors.push(error);
      }
      const [problem] = errors;
      if (action.isOneShot === true && problem !== undefined) {
        this.#pinned = (at + 1) % endpoints.length;
        throw problem;
      }
    }
    throw new ClusterError(errors);
  }

  async #follow(
    endpoint: Address,
    action: Action,
    signal: AbortSignal | undefined,
  ): Promise<HttpAnswer> {
    const { transport, headerTimeoutMs } = this.#options;
    let to = endpoint;
    let request = this.#requestOf(endpoint, action);
    for (let redirects = 0; ; redirects++) {
      if (redirects > MAX_REDIRECTS) throw new ClientError("client: too many redirects");
      this.#tellCurl(to, request);
      const answer = await transport.send(to, request, { headerTimeoutMs, signal });
      if (Math.trunc(answer.status / 100) !== 3) return answer;
      const location = answer.headers.location ?? "";
      if (location === "") throw new ClientError("location header not set");
      const parsed = parseAddress(location);
      if ("error" in parsed) {
        throw new ClientError(`location header not valid URL: ${location}`);
      }
      to = parsed.address;
      const target = location.replace(/^[a-z]+:\/\/[^/]*/i, "");
      request = { ...request, target: target === "" ? "/" : target };
    }
  }

  #requestOf(endpoint: Address, action: Action): HttpRequest {
    const { method, body, isWait } = action;
    const headers: Record<string, string> = { ...action.headers };
    const { credentials } = this.#options;
    if (credentials !== undefined) {
      const pair = `${credentials.username}:${credentials.password}`;
      headers.Authorization = `Basic ${Buffer.from(pair).toString("base64")}`;
    }
    const prefix = endpoint.path.replace(/\/+$/, "");
    return {
      method,
      target: `${prefix}${action.target}`,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(isWait === undefined ? {} : { isWait }),
    };
  }

  #tellCurl(to: Address, { method, target, body }: HttpRequest): void {
    const data = body === undefined ? "" : ` -d ${quote(body)}`;
    this.#options.onCurl?.(`curl -X ${method} ${to.scheme}://${to.host}${target}${data}`);
  }

  #shuffled(addresses: readonly Address[]): readonly Address[] {
    const shuffled: Address[] = [];
    for (const [at, address] of addresses.entries()) {
      const to = this.#options.below(at + 1);
      const moved = shuffled[to];
      if (moved !== undefined) shuffled[at] = moved;
      shuffled[to] = address;
    }
    return shuffled;
  }
}

function parseAll(endpoints: readonly string[]): Address[] {
  if (endpoints.length === 0) throw new NoEndpointsError();
  return endpoints.map((endpoint) => {
    const parsed = parseAddress(endpoint);
    if ("error" in parsed) throw new ClientError(parsed.error);
    return parsed.address;
  });
}

/** Errors of the server itself make the next endpoint worth a try. */
function serverProblem(status: number, { href }: Address): ClientError | undefined {
  if (Math.trunc(status / 100) !== 5) return undefined;
  if (status === 500 || status === 503) {
    return new ClientError(`client: etcd member ${href} has no leader`);
  }
  const text = SERVER_STATUS[status] ?? "";
  return new ClientError(`client: etcd member ${href} returns server error [${text}]`);
}

const SERVER_STATUS: Readonly<Record<number, string>> = {
  501: "Not Implemented",
  502: "Bad Gateway",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};
