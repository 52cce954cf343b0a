/** The keys of the v2 store over HTTP: requests, and answers as they are shown to users. */
import { cleanPath, encodeForm, escapePath } from "./address.ts";
import type { Action, ClusterClient } from "./cluster-client.ts";
import { ClientError } from "./errors.ts";
import type { HttpAnswer } from "./transport.ts";

export interface KeyNode {
  readonly key: string;
  readonly dir: boolean;
  readonly value: string;
  /** Absent unless the server listed children. */
  readonly nodes: readonly KeyNode[] | undefined;
  readonly createdIndex: number;
  readonly modifiedIndex: number;
  /** As the server wrote it. */
  readonly expiration: string | undefined;
  /** Seconds; zero for none. */
  readonly ttl: number;
}

export interface KeyResponse {
  readonly action: string;
  readonly node: KeyNode;
  readonly prevNode: KeyNode | undefined;
  /** The store's index when it answered. */
  readonly index: string;
}

export interface SetOptions {
  /** Seconds; zero or less for none. */
  readonly ttlSeconds?: bigint;
  readonly prevValue?: string;
  readonly prevIndex?: bigint;
  readonly prevExist?: boolean;
  readonly dir?: boolean;
}

/** Names of what must be true before a key is removed. */
export interface DeleteOptions {
  readonly prevValue?: string;
  readonly prevIndex?: bigint;
  readonly dir?: boolean;
  readonly recursive?: boolean;
}

export interface WatchPosition {
  /** "0": the next event. */
  readonly index: string;
  readonly recursive: boolean;
}

type Signal = AbortSignal | undefined;

const FORM_HEADERS = { "Content-Type": "application/x-www-form-urlencoded" };
const PREFIX = "/v2/keys";

export class KeysApi {
  readonly #client: ClusterClient;

  constructor(client: ClusterClient) {
    this.#client = client;
  }

  get(
    key: string,
    { sorted, quorum, recursive }: { sorted: boolean; quorum: boolean; recursive: boolean },
    signal: Signal,
  ): Promise<KeyResponse> {
    const query = {
      recursive: String(recursive),
      sorted: String(sorted),
      quorum: String(quorum),
    };
    return this.#do({ method: "GET", target: keyTarget(key, query) }, signal);
  }

  set(key: string, value: string, options: SetOptions, signal: Signal): Promise<KeyResponse> {
    const { dir, prevValue, prevExist } = options;
    const query: Record<string, string> = indexQuery(options.prevIndex);
    const form: Record<string, string> = ttlForm(options.ttlSeconds);
    if (dir === true) query.dir = "true";
    else form.value = value;
    if (dir !== true && prevValue !== undefined && prevValue !== "") query.prevValue = prevValue;
    if (prevExist !== undefined) query.prevExist = String(prevExist);
    const action = {
      method: "PUT",
      target: keyTarget(key, query),
      headers: FORM_HEADERS,
      body: encodeForm(form),
      isOneShot: prevExist === false,
    };
    return this.#do(action, signal);
  }

  createInOrder(
    directory: string,
    value: string,
    ttlSeconds: bigint,
    signal: Signal,
  ): Promise<KeyResponse> {
    const body = encodeForm({ value, ...ttlForm(ttlSeconds) });
    const target = keyTarget(directory, {});
    return this.#do({ method: "POST", target, headers: FORM_HEADERS, body }, signal);
  }

  delete(key: string, options: DeleteOptions, signal: Signal): Promise<KeyResponse> {
    const query: Record<string, string> = indexQuery(options.prevIndex);
    const { prevValue = "", dir, recursive } = options;
    if (prevValue !== "") query.prevValue = prevValue;
    if (dir === true) query.dir = "true";
    if (recursive === true) query.recursive = "true";
    const target = keyTarget(key, query);
    return this.#do({ method: "DELETE", target, headers: FORM_HEADERS, isOneShot: true }, signal);
  }

  /** Waits without limit for the next event. */
  async next(key: string, { index, recursive }: WatchPosition): Promise<KeyResponse> {
    const query = { wait: "true", waitIndex: index, recursive: String(recursive) };
    const action = { method: "GET", target: keyTarget(key, query), isWait: true };
    for (;;) {
      const answer = await this.#client.do(action, undefined);
      // A server that stops or a proxy that gives up ends the poll without an event.
      if (isSuccess(answer) && answer.body.length === 0) continue;
      return readAnswer(answer);
    }
  }

  async #do(action: Action, signal: Signal): Promise<KeyResponse> {
    return readAnswer(await this.#client.do(action, signal));
  }
}

function keyTarget(key: string, query: Readonly<Record<string, string>>): string {
  const path = key === "" || key.startsWith("/") ? key : `/${key}`;
  const form = encodeForm(query);
  return `${escapePath(cleanPath(`${PREFIX}${path}`))}${form === "" ? "" : `?${form}`}`;
}

function indexQuery(index: bigint | undefined): Record<string, string> {
  if (index === undefined || index === 0n) return {};
  return { prevIndex: String(BigInt.asUintN(64, index)) };
}

function ttlForm(seconds: bigint | undefined): Record<string, string> {
  return seconds === undefined || seconds <= 0n ? {} : { ttl: String(seconds) };
}

function isSuccess({ status }: HttpAnswer): boolean {
  return status === 200 || status === 201;
}

function readAnswer(answer: HttpAnswer): KeyResponse {
  if (isSuccess(answer) && answer.body.length === 0) {
    throw new ClientError("client: response body is empty");
  }
  const content = parseObject(answer.body.toString("utf8"));
  if (!isSuccess(answer)) throw keyError(content);
  const node = readNode(content.node);
  if (node === undefined) throw invalidJson();
  return {
    action: textOf(content.action),
    node,
    prevNode: readNode(content.prevNode),
    index: answer.headers["x-etcd-index"] ?? "0",
  };
}

type JsonObject = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseObject(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value)) return value;
  } catch {
    // Told below.
  }
  throw invalidJson();
}

function invalidJson(): ClientError {
  return new ClientError(
    "client: response is invalid json. The endpoint is probably not valid etcd cluster endpoint",
  );
}

function keyError(content: JsonObject): ClientError {
  const { errorCode, message, cause, index } = content;
  const code = numberOf(errorCode);
  return new ClientError(`${code}: ${textOf(message)} (${textOf(cause)}) [${numberOf(index)}]`);
}

function readNode(value: unknown): KeyNode | undefined {
  if (!isObject(value)) return undefined;
  const { nodes, expiration } = value;
  return {
    key: textOf(value.key),
    dir: value.dir === true,
    value: textOf(value.value),
    nodes: Array.isArray(nodes)
      ? nodes.map(readNode).filter((node) => node !== undefined)
      : undefined,
    createdIndex: numberOf(value.createdIndex),
    modifiedIndex: numberOf(value.modifiedIndex),
    expiration: typeof expiration === "string" ? expiration : undefined,
    ttl: numberOf(value.ttl),
  };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}
