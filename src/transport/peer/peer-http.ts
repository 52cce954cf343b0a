/**
 * Connections to one peer and requests over them, by node:http. Dials plain TCP and unix sockets;
 * TLS as its owner says, or with the system's authorities.
 */
import { Agent, type ClientRequest, type IncomingMessage, request as httpRequest } from "node:http";
import {
  connect as netConnect,
  isIP,
  type LookupFunction,
  type OnReadOpts,
  type Socket,
} from "node:net";
import { connect as tlsConnect } from "node:tls";
import { type EtcdUrl, isSecureUrl } from "../../base/etcd-url.ts";
import type { Clock } from "../../env/clock.ts";
import { PeerRequestError, type PeerResponse } from "../../env/peers.ts";
import { dialReason, tlsReason } from "../../base/dial-reason.ts";
import { DialedStream, type DialedStreamEvents, requestText } from "./dialed-stream.ts";

/**
 * Opens a connection; it need not be open yet. Failures are the socket's "error" event. With `onread`
 * its bytes go there.
 */
export type Dial = (url: EtcdUrl, reading: { readonly onread?: OnReadOpts }) => Socket;

export interface DialWays {
  /** For host names. Default: the system's. */
  readonly lookup?: LookupFunction;
  /** The own address to dial from. Default: the system's choice. */
  readonly localAddress?: string;
  /** Default: what is read is the socket's "data" event. */
  readonly onread?: OnReadOpts;
}

/** Where to connect: a host and port, or the path of a unix socket. */
export type DialTarget =
  | ({ readonly host: string; readonly port: number } & DialWays)
  | ({ readonly path: string } & DialWays);

const KEEP_ALIVE = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 15_000 } as const;

export interface DialPeerOptions extends DialWays {
  /** Default: verifies with the system's authorities. */
  readonly dialTls?: (target: DialTarget) => Socket;
}

/** Host names are looked up for every connection. */
export function dialPeer(
  url: EtcdUrl,
  { dialTls = dialWithSystemAuthorities, ...ways }: DialPeerOptions = {},
): Socket {
  const target: DialTarget = url.scheme.startsWith("unix")
    ? { path: `${url.host}${url.path}`, ...ways }
    : { host: url.hostname, port: url.port, ...ways };
  return isSecureUrl(url) ? dialTls(target) : netConnect({ ...target, ...KEEP_ALIVE });
}

function dialWithSystemAuthorities(target: DialTarget): Socket {
  const host = "path" in target ? "localhost" : target.host;
  const servername = isIP(host) === 0 ? host : "";
  return tlsConnect({ ...target, ...KEEP_ALIVE, servername, ALPNProtocols: ["http/1.1"] });
}

export interface PeerHttpDeps {
  readonly clock: Clock;
  readonly dial: Dial;
  /** Until a connection is open. */
  readonly dialTimeoutMs: number;
  /** Connections that are not in use are closed after this; 0 keeps none. */
  readonly keepIdleMs: number;
}

export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface SmallRequest extends RequestHead {
  readonly body?: Uint8Array | undefined;
  /** From now to the last byte of the answer. */
  readonly timeoutMs: number;
  readonly limitBytes: number;
}

export class PeerHttp {
  readonly #deps: PeerHttpDeps;
  readonly #agents = new Map<string, Agent>();
  readonly #cancels = new Set<() => void>();

  constructor(deps: PeerHttpDeps) {
    this.#deps = deps;
  }

  /** A GET whose answer is a stream, on a connection of its own. */
  openStream(url: EtcdUrl, head: RequestHead, events: DialedStreamEvents): DialedStream {
    const dial = (onread: OnReadOpts): Socket => this.#connect(url, { onread });
    return new DialedStream(dial, requestText(hostOf(url), head), events);
  }

  /** A request on a connection of its own. The caller listens to "response" and "error". */
  open(url: EtcdUrl, head: RequestHead): ClientRequest {
    return httpRequest({
      ...optionsOf(url, head),
      createConnection: () => this.#connect(url),
    });
  }

  /** As `open`, on a connection that was kept, and is kept for the next. */
  openKept(url: EtcdUrl, head: RequestHead): ClientRequest {
    return httpRequest({ ...optionsOf(url, head), agent: this.#agent(url) });
  }

  /** Rejects with a `PeerRequestError`. */
  exchange(url: EtcdUrl, request: SmallRequest): Promise<PeerResponse> {
    const { clock, keepIdleMs } = this.#deps;
    return new Promise((resolve, reject) => {
      const { body } = request;
      const length = body === undefined ? {} : { "Content-Length": String(body.length) };
      const head = { ...request, headers: { ...request.headers, ...length } };
      const outgoing =
        keepIdleMs > 0
          ? httpRequest({ ...optionsOf(url, head), agent: this.#agent(url) })
          : this.open(url, head);
      const settle = (end: () => void): void => {
        timer.cancel();
        this.#cancels.delete(cancel);
        end();
      };
      const fail = (error: PeerRequestError): void => {
        settle(() => reject(error));
        outgoing.destroy();
      };
      const cancel = (): void => fail(new PeerRequestError("unreachable", "stopped"));
      this.#cancels.add(cancel);
      const timer = clock.setTimer(request.timeoutMs, () =>
        fail(new PeerRequestError("timeout", `no answer from ${url.href} in time`)),
      );
      const unreachable = (error: Error): void =>
        fail(new PeerRequestError("unreachable", failureText(error, url)));
      outgoing.on("error", unreachable);
      outgoing.on("response", (incoming) => {
        incoming.on("error", unreachable);
        collect(incoming, request.limitBytes).then(
          (answer) => settle(() => resolve(answer)),
          (error: Error) => (error instanceof PeerRequestError ? fail(error) : unreachable(error)),
        );
      });
      outgoing.end(body);
    });
  }

  /** Ends what `exchange` has under way, and idle connections. */
  close(): void {
    for (const cancel of [...this.#cancels]) cancel();
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #agent(url: EtcdUrl): Agent {
    let agent = this.#agents.get(url.href);
    if (agent === undefined) {
      agent = new PeerAgent(() => this.#connect(url), this.#deps.keepIdleMs);
      this.#agents.set(url.href, agent);
    }
    return agent;
  }

  #connect(url: EtcdUrl, reading: { readonly onread?: OnReadOpts } = {}): Socket {
    const { clock, dial, dialTimeoutMs } = this.#deps;
    const socket = dial(url, reading);
    const timer = clock.setTimer(dialTimeoutMs, () => socket.destroy(new DialTimeout()));
    const settled = (): void => timer.cancel();
    socket.once("encrypted" in socket ? "secureConnect" : "connect", settled);
    socket.once("close", settled);
    return socket;
  }
}

class PeerAgent extends Agent {
  readonly #connect: () => Socket;

  constructor(connect: () => Socket, keepIdleMs: number) {
    super({ keepAlive: true, timeout: keepIdleMs });
    this.#connect = connect;
  }

  override createConnection(): Socket {
    return this.#connect();
  }
}

class DialTimeout extends Error {
  readonly code = "ETIMEDOUT";
  readonly syscall = "connect";
}

function optionsOf(url: EtcdUrl, { method, path, headers }: RequestHead) {
  return { method, path, headers: { Host: hostOf(url), ...headers } };
}

function hostOf(url: EtcdUrl): string {
  return url.host === "" ? "localhost" : url.host;
}

/** The whole answer. Rejects with a `PeerRequestError` when it is longer than the limit. */
export async function collect(
  incoming: IncomingMessage,
  limitBytes: number,
): Promise<PeerResponse> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > limitBytes) {
      throw new PeerRequestError("tooLarge", `answer is larger than ${limitBytes} bytes`);
    }
    parts.push(chunk);
  }
  const status = incoming.statusCode ?? 0;
  return { status, headers: headersOfAnswer(incoming), body: Buffer.concat(parts) };
}

export function headersOfAnswer(incoming: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(", ") : value;
  }
  return headers;
}

/** Go's words for a connection that failed. */
export function failureText(error: NodeJS.ErrnoException, url: EtcdUrl): string {
  if (error.syscall === "connect" || error.syscall === "getaddrinfo") {
    return `dial tcp ${url.host}: ${dialReason(error)}`;
  }
  switch (error.code) {
    case "ECONNRESET":
      if (error.message === "socket hang up" || error.message === "aborted") {
        return "unexpected EOF";
      }
      return error.syscall === undefined ? dialReason(error) : "connection reset by peer";
    case "ECONNREFUSED":
      return `dial tcp ${url.host}: ${dialReason(error)}`;
    case "EPIPE":
      return "broken pipe";
    default:
      return tlsReason(error) ?? error.message;
  }
}
