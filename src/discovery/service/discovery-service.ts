/**
 * The discovery service over HTTP: gives out tokens, and lets the members of each token find each
 * other by the requests of etcd's v2 discovery. It knows no state but the etcd behind it, so any
 * number of them may serve the same tokens.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { EtcdClientError } from "../../client/index.ts";
import type { Clock } from "../../env/clock.ts";
import type { Logger } from "../../env/logger.ts";
import type { Random } from "../../env/random.ts";
import { MAX_BODY_BYTES, MAX_WAIT_MS, MAX_WAITS } from "./limits.ts";
import { readRegistration, readRequest, type ServiceRequest } from "./requests.ts";
import type { StoredKey, Token, TokenStore } from "./token-store.ts";

export interface DiscoveryServiceOptions {
  /** Scheme and host that tokens are told with; "" takes those of the request. */
  readonly advertisedURL: string;
  readonly isSecure: boolean;
}

export interface DiscoveryServiceDeps {
  readonly store: TokenStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Too many to guess. */
const TOKEN_BYTES = 16;

/** etcd's codes, which its clients look at. */
const KEY_NOT_FOUND = { errorCode: 100, message: "Key not found" } as const;
const KEY_EXISTS = { errorCode: 105, message: "Key already exists" } as const;
const JSON_TYPE = { "Content-Type": "application/json" } as const;

type Reading = Exclude<ServiceRequest, { readonly kind: "refused" | "wait" | "register" | "new" }>;

export class DiscoveryService {
  readonly #options: DiscoveryServiceOptions;
  readonly #deps: DiscoveryServiceDeps;
  #waits = 0;

  constructor(options: DiscoveryServiceOptions, deps: DiscoveryServiceDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Answers one request. Never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = readRequest(request.method ?? "", request.url ?? "");
    try {
      await this.#answer(asked, request, response);
    } catch (error) {
      const isStore = error instanceof EtcdClientError;
      if (isStore) this.#deps.logger.warn("the etcd behind the service does not answer", { error });
      else this.#deps.logger.error("failed to serve a request", { error });
      if (response.headersSent) response.destroy();
      // etcd's members ask again after this.
      else plain(response, isStore ? 503 : 500, "the service cannot answer now; try again");
    }
  }

  async #answer(
    asked: ServiceRequest,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    switch (asked.kind) {
      case "refused":
        return plain(response, asked.status, asked.reason);
      case "new":
        return this.#makeToken(asked.size, request, response);
      case "register":
        return this.#register(asked, request, response);
      case "wait":
        return this.#wait(asked, response);
      default:
        return this.#read(asked, response);
    }
  }

  async #makeToken(size: number, request: IncomingMessage, response: ServerResponse) {
    const bytes = this.#deps.random.fill(new Uint8Array(TOKEN_BYTES));
    const token = Buffer.from(bytes).toString("hex");
    if (!(await this.#deps.store.create(token, size))) {
      return plain(response, 503, "there are too many tokens; try again when some have expired");
    }
    this.#deps.logger.info("made a token", { size });
    const { advertisedURL, isSecure } = this.#options;
    const own = `${isSecure ? "https" : "http"}://${request.headers.host ?? "localhost"}`;
    response.writeHead(200, { "Content-Type": "text/plain; charset=utf-8" });
    response.end(`${advertisedURL === "" ? own : advertisedURL}/${token}`);
  }

  async #read(asked: Reading, response: ServerResponse): Promise<void> {
    if (asked.kind === "health") {
      // Any token will do: an answer is what counts.
      await this.#deps.store.read("health");
      return plain(response, 200, "ok");
    }
    const { token } = asked;
    const found = await this.#deps.store.read(token);
    if (!("size" in found)) return missing(response, keyOf(token), found.index);
    if (asked.kind === "token") {
      return got(response, directoryNode(token, found), found.index);
    }
    if (asked.kind === "size") {
      return got(response, node(keyOf(token, "_config", "size"), found.size), found.index);
    }
    const member = found.members.find(({ name }) => name === asked.id);
    const key = keyOf(token, asked.id);
    if (member === undefined) return missing(response, key, found.index);
    return got(response, node(key, member), found.index);
  }

  async #register(
    { token, id }: { readonly token: string; readonly id: string },
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const form = await readBody(request);
    if (form === undefined) {
      response.setHeader("Connection", "close");
      return plain(response, 413, `a registration has at most ${MAX_BODY_BYTES} bytes`);
    }
    const read = readRegistration(form);
    if (typeof read === "string") return plain(response, 400, read);
    const result = await this.#deps.store.register(token, id, read.value);
    const key = keyOf(token, id);
    switch (result.kind) {
      case "made": {
        const { member } = result;
        const body = { action: "create", node: node(key, member) };
        return reply(response, 201, body, member.createdIndex);
      }
      case "exists":
        return reply(response, 412, { ...KEY_EXISTS, cause: key }, result.index);
      case "crowded":
        return plain(response, 403, "too many members have registered at this token");
      case "noToken":
        return missing(response, key, result.index);
    }
  }

  async #wait(
    asked: Extract<ServiceRequest, { readonly kind: "wait" }>,
    response: ServerResponse,
  ): Promise<void> {
    if (this.#waits >= MAX_WAITS) return plain(response, 503, "too many requests wait");
    this.#waits++;
    const end = new AbortController();
    const timer = this.#deps.clock.setTimer(MAX_WAIT_MS, () => end.abort());
    response.on("close", () => end.abort());
    try {
      const { token, id, fromIndex } = asked;
      const { index } = await this.#deps.store.read(token);
      // Like etcd's, the head comes at once and the body when there is news.
      response.writeHead(200, { ...JSON_TYPE, "X-Etcd-Index": String(index) });
      response.flushHeaders();
      const member = await this.#deps.store.waitForMember(token, id, fromIndex, end.signal);
      if (member === undefined) {
        // The token is gone: who asks anew is told.
        response.destroy();
        return;
      }
      const body = { action: "create", node: node(keyOf(token, member.name), member) };
      response.end(`${JSON.stringify(body)}\n`);
    } catch (error) {
      // Without news etcd answers with nothing, and its clients ask again.
      if (!end.signal.aborted) throw error;
      response.end();
    } finally {
      timer.cancel();
      this.#waits--;
    }
  }
}

function keyOf(...names: readonly string[]): string {
  return `/_etcd/registry/${names.join("/")}`;
}

function node(key: string, { value, createdIndex }: StoredKey) {
  return { key, value, modifiedIndex: createdIndex, createdIndex };
}

function directoryNode(token: string, { size, members }: Token) {
  const key = keyOf(token);
  const nodes = members.map((member) => node(keyOf(token, member.name), member));
  const { createdIndex } = size;
  const children = nodes.length === 0 ? {} : { nodes };
  return { key, dir: true, ...children, modifiedIndex: createdIndex, createdIndex };
}

function got(response: ServerResponse, found: object, index: number): void {
  reply(response, 200, { action: "get", node: found }, index);
}

function missing(response: ServerResponse, cause: string, index: number): void {
  reply(response, 404, { ...KEY_NOT_FOUND, cause }, index);
}

function reply(response: ServerResponse, status: number, body: object, index: number): void {
  const withIndex = "errorCode" in body ? { ...body, index } : body;
  response.writeHead(status, { ...JSON_TYPE, "X-Etcd-Index": String(index) });
  response.end(`${JSON.stringify(withIndex)}\n`);
}

function plain(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" });
  response.end(`${reason}\n`);
}

/** Undefined when there is too much of it; then not all of it has been read. */
function readBody(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_BODY_BYTES) parts.push(chunk);
      else {
        request.pause();
        resolve(undefined);
      }
    });
    request.on("end", () => resolve(Buffer.concat(parts).toString("utf8")));
    request.on("error", reject);
  });
}
