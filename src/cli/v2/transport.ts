/**
 * One HTTP request to one member: connections are kept, redirects are left to the caller. Node's
 * http is loaded with the first request, so that help pages stay quick.
 */
import type { Agent, ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import type { Clock, Timer } from "../../env/clock.ts";
import type { Address } from "./address.ts";
import { ClientError, DeadlineError, networkError } from "./errors.ts";

export interface HttpRequest {
  readonly method: string;
  /** Path and query, escaped. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** A long poll waits for its headers without limit. */
  readonly isWait?: boolean;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

export interface TlsMaterial {
  readonly cert?: Buffer;
  readonly key?: Buffer;
  readonly ca?: Buffer;
  /** Name that the server's certificate must have, if not that of the endpoint. */
  readonly servername?: string;
}

/** Bounds the memory that a wrong endpoint may take. */
const MAX_BODY_BYTES = 1 << 30;

export class Transport {
  readonly #tls: TlsMaterial;
  readonly #connectTimeoutMs: number;
  readonly #clock: Clock;
  readonly #agents = new Map<string, Agent>();

  /** The process stays alive for a timer of `clock`. */
  constructor(tls: TlsMaterial, connectTimeoutMs: number, clock: Clock) {
    this.#tls = tls;
    this.#clock = clock;
    this.#connectTimeoutMs = connectTimeoutMs;
  }

  /** Rejects with a ClientError; with a DeadlineError when `signal` ends it. */
  async send(
    to: Address,
    request: HttpRequest,
    options: { readonly headerTimeoutMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<HttpAnswer> {
    const { signal } = options;
    if (signal?.aborted === true) throw new DeadlineError();
    const isSecure = to.scheme === "https" || to.scheme === "unixs";
    if (!isSecure && to.scheme !== "http" && to.scheme !== "unix") {
      throw new ClientError(`unsupported protocol scheme ${JSON.stringify(to.scheme)}`);
    }
    if (to.host === "") throw new ClientError("http: no Host in request URL");
    const { Agent, request: start } = await (isSecure ? import("node:https") : import("node:http"));
    const agent = this.#agents.get(to.scheme) ?? new Agent({ keepAlive: true });
    this.#agents.set(to.scheme, agent);
    const outgoing = start({ ...this.#requestOptions(to, request, isSecure), agent });
    return await this.#exchange(outgoing, to, request, options);
  }

  /** Closes what is kept open. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #requestOptions(to: Address, request: HttpRequest, isSecure: boolean): RequestOptions {
    const [, hostname, port] = /^\[?([^\]]*?)\]?(?::(\d*))?$/.exec(to.host) ?? [];
    const isUnix = to.scheme.startsWith("unix");
    const { body } = request;
    const length = body === undefined ? {} : { "Content-Length": String(Buffer.byteLength(body)) };
    return {
      method: request.method,
      path: request.target,
      headers: {
        "User-Agent": "Go-http-client/1.1",
        "Accept-Encoding": "identity",
        ...request.headers,
        ...length,
      },
      ...(isUnix ? { socketPath: to.host } : { hostname: hostname ?? to.host }),
      ...(port === undefined || port === "" || isUnix ? {} : { port }),
      // A name with its final dot is certified, and sent as SNI, without it.
      ...(isSecure && hostname?.endsWith(".") ? { servername: hostname.slice(0, -1) } : {}),
      ...(isSecure ? this.#tls : {}),
    };
  }

  #exchange(
    outgoing: ClientRequest,
    to: Address,
    request: HttpRequest,
    options: { readonly headerTimeoutMs: number; readonly signal: AbortSignal | undefined },
  ): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const timers: Timer[] = [];
      const onDeadline = (): void => fail(new DeadlineError());
      const settle = (): void => {
        for (const timer of timers) timer.cancel();
        options.signal?.removeEventListener("abort", onDeadline);
      };
      const fail = (error: ClientError): void => {
        settle();
        reject(error);
        outgoing.destroy();
      };
      if (request.isWait !== true && options.headerTimeoutMs > 0) {
        const text = `client: endpoint ${to.href} exceeded header timeout`;
        timers.push(
          this.#clock.setTimer(options.headerTimeoutMs, () => fail(new ClientError(text))),
        );
      }
      outgoing.on("socket", (socket) => {
        if (!socket.connecting) return;
        const text = `dial tcp ${to.host}: i/o timeout`;
        const timer = this.#clock.setTimer(this.#connectTimeoutMs, () =>
          fail(new ClientError(text, true)),
        );
        timers.push(timer);
        socket.once("connect", () => timer.cancel());
      });
      options.signal?.addEventListener("abort", onDeadline, { once: true });
      outgoing.on("error", (error) => fail(networkError(error, to.host)));
      outgoing.on("response", (response) => {
        for (const timer of timers) timer.cancel();
        readAnswer(response).then(
          (answer) => {
            settle();
            resolve(answer);
          },
          (error: unknown) =>
            fail(error instanceof ClientError ? error : networkError(error, to.host)),
        );
      });
      outgoing.end(request.body);
    });
  }
}

async function readAnswer(response: IncomingMessage): Promise<HttpAnswer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MAX_BODY_BYTES) throw new ClientError("client: response body is too large");
    parts.push(part);
  }
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) headers[name] = String(value);
  return { status: response.statusCode ?? 0, headers, body: Buffer.concat(parts) };
}
