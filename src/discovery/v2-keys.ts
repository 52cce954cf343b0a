/**
 * The few requests of etcd's v2 keys API that discovery needs, below any URL: `/v2/keys/…` of an
 * etcd, or the path of a public service. Texts are those of etcd's v2 client.
 */
import { STATUS_CODES } from "node:http";
import { posix } from "node:path";
import {
  type Exchange,
  exchange,
  type HttpAnswer,
  type HttpOptions,
  UnreachableError,
} from "./http-exchange.ts";

export interface V2Node {
  readonly key: string;
  readonly value: string;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
  readonly nodes: readonly V2Node[];
}

export interface V2Answer {
  readonly node: V2Node;
  /** Of the store when it answered; 0 when it did not say. */
  readonly index: number;
}

/** An error of the store, such as 100 for a missing key. */
export class V2StoreError extends Error {
  readonly code: number;

  constructor(code: number, message: string, cause: string, index: number) {
    super(`${code}: ${message} (${cause}) [${index}]`);
    this.code = code;
  }
}

/** What answers is no etcd. */
export class V2FormError extends Error {
  readonly isEmpty: boolean;

  constructor(isEmpty: boolean) {
    super(
      isEmpty
        ? "client: response body is empty"
        : "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint",
    );
    this.isEmpty = isEmpty;
  }
}

/** No member of the service could answer; it may be worth to ask again. */
export class V2ClusterError extends Error {
  /** As etcd logs it beside the error. */
  readonly detail: string;

  constructor(reason: string) {
    super(`client: etcd cluster is unavailable or misconfigured; error #0: ${reason}\n`);
    this.detail = `error #0: ${reason}\n`;
  }
}

/** As etcd's client: a request that is no wait. */
const REQUEST_TIMEOUT_MS = 5000;

export class V2Keys {
  readonly #base: URL;
  readonly #options: HttpOptions;

  /** Keys begin behind the host of `base`; its path and query are not used. */
  constructor(base: URL, options: HttpOptions) {
    this.#base = base;
    this.#options = options;
  }

  /** Rejects with one of this file's errors, or `ExchangeTimeout`. */
  async get(key: string): Promise<V2Answer> {
    const query = { quorum: "false", recursive: "false", sorted: "false" };
    const url = this.#url(key, query);
    const request = { method: "GET", url, timeoutMs: REQUEST_TIMEOUT_MS } as const;
    return readAnswer(await this.#ask(request));
  }

  /** Makes a key that must not be there. A service that does not answer is not asked again. */
  async create(key: string, value: string): Promise<V2Answer> {
    const answer = await this.#exchange({
      method: "PUT",
      url: this.#url(key, { prevExist: "false" }),
      body: new URLSearchParams({ value }).toString(),
      timeoutMs: REQUEST_TIMEOUT_MS,
    });
    return readAnswer(answer);
  }

  /** The first change of a key, or below it, at or after an index; waits for it without limit. */
  async wait(key: string, waitIndex: number, recursive: boolean): Promise<V2Answer | undefined> {
    const query = { recursive: String(recursive), wait: "true", waitIndex: String(waitIndex) };
    const answer = await this.#ask({ method: "GET", url: this.#url(key, query) });
    const isNothing = answer.body === "" && (answer.status === 200 || answer.status === 201);
    return isNothing ? undefined : readAnswer(answer);
  }

  #url(key: string, query: Readonly<Record<string, string>>): URL {
    const url = new URL(this.#base);
    url.pathname = posix.join("/", key);
    url.search = new URLSearchParams(query).toString();
    url.hash = "";
    return url;
  }

  async #ask(request: Exchange): Promise<HttpAnswer> {
    try {
      return await this.#exchange(request);
    } catch (error) {
      if (error instanceof UnreachableError) throw new V2ClusterError(error.message);
      throw error;
    }
  }

  async #exchange(request: Exchange): Promise<HttpAnswer> {
    const answer = await exchange(request, this.#options);
    if (answer.status < 500) return answer;
    const member = `client: etcd member ${this.#base.origin}`;
    throw new UnreachableError(
      answer.status === 500 || answer.status === 503
        ? `${member} has no leader`
        : `${member} returns server error [${STATUS_CODES[answer.status] ?? ""}]`,
    );
  }
}

function readAnswer(answer: HttpAnswer): V2Answer {
  const isSuccess = answer.status === 200 || answer.status === 201;
  if (isSuccess && answer.body === "") throw new V2FormError(true);
  const body = readObject(answer.body);
  if (!isSuccess) {
    const { errorCode, message, cause, index } = body;
    throw new V2StoreError(toCount(errorCode), toText(message), toText(cause), toCount(index));
  }
  const { node } = body;
  if (typeof node !== "object" || node === null) throw invalidForm();
  const index = answer.header("X-Etcd-Index") ?? "0";
  if (!/^\d+$/.test(index)) throw invalidForm();
  return { node: readNode(node as Readonly<Record<string, unknown>>), index: Number(index) };
}

function readNode(raw: Readonly<Record<string, unknown>>): V2Node {
  const nodes = Array.isArray(raw.nodes) ? raw.nodes : [];
  return {
    key: toText(raw.key),
    value: toText(raw.value),
    createdIndex: toCount(raw.createdIndex),
    modifiedIndex: toCount(raw.modifiedIndex),
    nodes: nodes.map((node: unknown) => readNode(toObject(node))),
  };
}

function readObject(text: string): Readonly<Record<string, unknown>> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw invalidForm();
  }
  return toObject(parsed);
}

function toObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalidForm();
  return value as Readonly<Record<string, unknown>>;
}

/** Absent is nothing, as in Go; another type is no answer of etcd. */
function toText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw invalidForm();
  return value;
}

function toCount(value: unknown): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw invalidForm();
  return value;
}

function invalidForm(): V2FormError {
  return new V2FormError(false);
}
