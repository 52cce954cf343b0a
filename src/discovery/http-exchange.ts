/**
 * One HTTP request to a discovery service, straight or through a proxy, with redirects followed.
 * Failures are in the words of Go's HTTP client.
 */
import {
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
} from "node:http";
import { request as httpsRequest } from "node:https";
import { connect as tlsConnect } from "node:tls";
import { isIP, type Socket } from "node:net";
import { dialReason } from "../base/dial-reason.ts";
import type { Clock } from "../env/clock.ts";
import { lookupFailure } from "./lookup-failure.ts";

/** A longer answer is none of a discovery service: a cluster's list has some kilobytes. */
const MAX_ANSWER_BYTES: number = 4 << 20;
/** Redirects of one request, as etcd's client follows them. */
const MAX_HOPS = 10;

export interface Exchange {
  readonly method: "GET" | "PUT";
  readonly url: URL;
  /** Sent as a form. */
  readonly body?: string;
  /** From now to the last byte; absent: as long as the service likes. */
  readonly timeoutMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  /** Undefined when there are several, or none. */
  header(name: string): string | undefined;
  readonly body: string;
}

/** There is no answer: the service cannot be reached, or broke off. */
export class UnreachableError extends Error {}

/** The time is over. */
export class ExchangeTimeout extends Error {
  constructor() {
    super("context deadline exceeded");
  }
}

export interface HttpOptions {
  /** A proxy, `http` or `https`, with a user and a password if it wants them; undefined for none. */
  readonly proxy: URL | undefined;
  readonly authorities: () => readonly string[];
  readonly clock: Clock;
}

/** Rejects with `UnreachableError` or `ExchangeTimeout`. */
export async function exchange(first: Exchange, options: HttpOptions): Promise<HttpAnswer> {
  const { timeoutMs } = first;
  if (timeoutMs === undefined) return follow(first, options, undefined);
  const overdue = new AbortController();
  const timer = options.clock.setTimer(timeoutMs, () => overdue.abort());
  try {
    return await follow(first, options, overdue.signal);
  } finally {
    timer.cancel();
  }
}

async function follow(
  first: Exchange,
  options: HttpOptions,
  signal: AbortSignal | undefined,
): Promise<HttpAnswer> {
  let { url } = first;
  for (let redirects = 0; ; redirects++) {
    if (redirects > MAX_HOPS) throw new UnreachableError("client: too many redirects");
    const answer = await exchangeOnce({ ...first, url }, options, signal);
    if (answer.status < 300 || answer.status > 399) return answer;
    const location = answer.header("location");
    if (location === undefined) throw new UnreachableError("location header not set");
    if (!URL.canParse(location)) {
      throw new UnreachableError(`unsupported protocol scheme ""`);
    }
    url = new URL(location);
  }
}

async function exchangeOnce(
  request: Exchange,
  options: HttpOptions,
  signal: AbortSignal | undefined,
): Promise<HttpAnswer> {
  let tunnel: Socket | undefined;
  try {
    const { proxy, authorities } = options;
    if (request.url.protocol === "https:" && proxy !== undefined) {
      tunnel = await openTunnel(request.url, toProxy(proxy, authorities), signal);
    }
    const incoming = await send(request, options, { tunnel, signal });
    return await readAnswer(incoming);
  } catch (error) {
    if (signal?.aborted === true) throw new ExchangeTimeout();
    if (error instanceof UnreachableError) throw error;
    throw new UnreachableError(failureText(error as NodeJS.ErrnoException, request.url, options));
  } finally {
    // The end of TLS inside it is not its end.
    tunnel?.destroy();
  }
}

async function send(
  { method, url, body }: Exchange,
  { proxy, authorities }: HttpOptions,
  {
    tunnel,
    signal,
  }: { readonly tunnel?: Socket | undefined; readonly signal?: AbortSignal | undefined },
): Promise<IncomingMessage> {
  const isSecure = url.protocol === "https:";
  if (!isSecure && url.protocol !== "http:") {
    throw new UnreachableError(
      `unsupported protocol scheme ${JSON.stringify(url.protocol.slice(0, -1))}`,
    );
  }
  const ca = isSecure ? [...authorities()] : undefined;
  const headers: Record<string, string> = { Host: url.host, "User-Agent": "Go-http-client/1.1" };
  if (body !== undefined) {
    headers["Content-Type"] = "application/x-www-form-urlencoded";
    headers["Content-Length"] = String(Buffer.byteLength(body));
  }
  const shared = { method, headers, agent: false as const, ...(signal && { signal }) };
  const auth = url.username === "" ? {} : { auth: `${url.username}:${url.password}` };
  return new Promise((resolve, reject) => {
    const outgoing =
      isSecure || proxy === undefined
        ? (isSecure ? httpsRequest : httpRequest)(url, {
            ...shared,
            ca,
            ...(tunnel && { createConnection: () => secured(tunnel, url, ca) }),
          })
        : onward(toProxy(proxy, authorities), { ...shared, ...auth, path: url.href });
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
    outgoing.end(body);
  });
}

/** How a proxy is spoken to. */
interface Proxy {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly ca: string[] | undefined;
}

/** Who one is to the proxy is not for the service. */
function toProxy(proxy: URL, authorities: () => readonly string[]): Proxy {
  const { protocol, host, username, password } = proxy;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const credentials = Buffer.from(pair, "utf8").toString("base64");
  return {
    url: new URL(`${protocol}//${host}`),
    headers: username === "" ? {} : { "Proxy-Authorization": `Basic ${credentials}` },
    ca: protocol === "https:" ? [...authorities()] : undefined,
  };
}

function onward({ url, headers, ca }: Proxy, options: RequestOptions): ClientRequest {
  const all = { ...options, headers: { ...options.headers, ...headers } };
  return url.protocol === "https:" ? httpsRequest(url, { ...all, ca }) : httpRequest(url, all);
}

/** A way to `url` through the proxy, by CONNECT. */
function openTunnel(url: URL, proxy: Proxy, signal: AbortSignal | undefined): Promise<Socket> {
  const target = `${url.hostname}:${url.port === "" ? 443 : url.port}`;
  return new Promise((resolve, reject) => {
    const asking = onward(proxy, {
      method: "CONNECT",
      path: target,
      agent: false,
      headers: { Host: target },
      ...(signal && { signal }),
    });
    asking.on("connect", ({ statusCode, statusMessage }, socket) => {
      if (statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        reject(new UnreachableError(statusMessage ?? String(statusCode)));
      }
    });
    asking.on("error", reject);
    asking.end();
  });
}

function secured(socket: Socket, { hostname }: URL, ca: string[] | undefined): Socket {
  const host = hostname.replace(/^\[|\]$/g, "");
  return tlsConnect({ socket, ca, host, ...(isIP(host) === 0 && { servername: host }) });
}

async function readAnswer(incoming: IncomingMessage): Promise<HttpAnswer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) {
      throw new UnreachableError(`answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    }
    parts.push(chunk);
  }
  return {
    status: incoming.statusCode ?? 0,
    header: (name) => {
      const value = incoming.headers[name.toLowerCase()];
      return Array.isArray(value) ? undefined : value;
    },
    body: Buffer.concat(parts).toString("utf8"),
  };
}

function failureText(error: NodeJS.ErrnoException, url: URL, { proxy }: HttpOptions): string {
  const { hostname, host, port, protocol } = proxy ?? url;
  const address = port === "" ? `${host}:${protocol === "https:" ? 443 : 80}` : host;
  switch (error.code) {
    case "ENOTFOUND":
    case "EAI_AGAIN": {
      const reason = error.code === "ENOTFOUND" ? "no such host" : "server misbehaving";
      return `dial tcp: ${lookupFailure(hostname, reason)}`;
    }
    case "ECONNRESET":
      if (error.message === "socket hang up") return "EOF";
      return error.message === "aborted" ? "unexpected EOF" : "connection reset by peer";
    default:
      return error.syscall === "connect"
        ? `dial tcp ${address}: ${dialReason(error)}`
        : error.message;
  }
}
