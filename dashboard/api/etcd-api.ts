/**
 * The JSON API of the member that served this page: `POST /v3/...`. Whatever a page does goes
 * through here, with the permissions of the user who is logged in.
 */
import { ApiError, refusalOf } from "./api-error.ts";
import type { Connection } from "./connection.ts";
import { JsonLines } from "./json-lines.ts";
import type { Session } from "./session.ts";

const NOT_ENABLED = "etcdserver: authentication is not enabled";

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface EtcdApiDeps {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  /** The root of the member, with "/" at its end. */
  readonly base: string;
  readonly session: Session;
  readonly connection: Connection;
}

export class EtcdApi {
  readonly #deps: EtcdApiDeps;

  constructor(deps: EtcdApiDeps) {
    this.#deps = deps;
  }

  /** One call, such as `call<RangeJson>("v3/kv/range", { key })`; rejects with an `ApiError`. */
  async call<T>(path: string, body: object = {}, options: CallOptions = {}): Promise<T> {
    const response = await this.#send(path, body, options);
    const text = await whileConnected(this.#deps, options, response.text());
    return JSON.parse(text) as T;
  }

  /**
   * The messages of a streaming call, such as `stream<WatchJson>("v3/watch", { create_request })`.
   * Ends with the stream, or at once when `signal` is aborted.
   */
  async *stream<T>(path: string, body: object, options: CallOptions): AsyncGenerator<T> {
    const response = await this.#send(path, body, options);
    const reader = response.body?.getReader();
    if (reader === undefined) return;
    const lines = new JsonLines();
    try {
      for (;;) {
        const { done, value } = await whileConnected(this.#deps, options, reader.read());
        if (done) return;
        for (const line of lines.push(value)) yield this.#resultOf<T>(line);
      }
    } finally {
      await reader.cancel().catch(() => undefined);
    }
  }

  /** A plain text of the member by GET, such as `text("metrics")`. */
  async text(path: string, options: CallOptions = {}): Promise<string> {
    const response = await this.#request(path, { method: "GET" }, options);
    return whileConnected(this.#deps, options, response.text());
  }

  /** Any JSON of the member by GET. */
  async get<T>(path: string, options: CallOptions = {}): Promise<T> {
    return JSON.parse(await this.text(path, options)) as T;
  }

  /** Where nobody needs to log in any more, the session goes on without. */
  async logIn(user: string, password: string): Promise<void> {
    const body = { name: user, password };
    const { session } = this.#deps;
    try {
      const { token } = await this.call<{ token: string }>("v3/auth/authenticate", body);
      session.loggedIn(user, token);
    } catch (error) {
      if (!(error instanceof ApiError) || error.message !== NOT_ENABLED) throw error;
      session.forget();
    }
  }

  #send(path: string, body: object, options: CallOptions): Promise<Response> {
    const init = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    };
    return this.#request(path, init, options);
  }

  async #request(
    path: string,
    init: RequestInit & { readonly headers?: Record<string, string> },
    options: CallOptions,
  ): Promise<Response> {
    const { base, session } = this.#deps;
    const { token } = session;
    const headers = token === undefined ? init.headers : { ...init.headers, authorization: token };
    const { signal } = options;
    const whole = {
      ...init,
      ...(headers !== undefined && { headers }),
      ...(signal !== undefined && { signal }),
      credentials: "omit",
      cache: "no-store",
    } as const;
    const sent = this.#deps.fetch(base + path, whole);
    const response = await whileConnected(this.#deps, options, sent);
    if (response.ok) return response;
    throw this.#noted(refusalOf(response.status, await response.text()), token);
  }

  #resultOf<T>(line: unknown): T {
    const { result, error } = line as { readonly result?: T; readonly error?: unknown };
    if (result !== undefined) return result;
    throw this.#noted(refusalOf(200, JSON.stringify(error)), this.#deps.session.token);
  }

  #noted(error: ApiError, token: string | undefined): ApiError {
    if (error.kind === "login") this.#deps.session.refused(token);
    if (error.kind === "unreachable") this.#deps.connection.lost();
    return error;
  }
}

/** A failure of fetch itself says that nobody is there, unless the caller has given up. */
async function whileConnected<T>(
  { connection }: EtcdApiDeps,
  { signal }: CallOptions,
  answer: Promise<T>,
): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (signal?.aborted === true) throw error;
    connection.lost();
    throw new ApiError("unreachable", `the member does not answer (${String(error)})`);
  }
}
