/**
 * What the members of one test were asked, and what is to go wrong with the next calls. Shared by
 * all doors of a cluster.
 */
import { ERRORS, type ErrorKind, StatusCode } from "../api/errors.ts";
import { METHODS } from "../api/rpc-table.ts";
import { closestName } from "../base/known-options.ts";

/** Services whose methods tests name; others share names with them. */
const NAMED = /^(?:etcdserverpb|v3lockpb|v3electionpb)\./;

/** A test looks at what happened lately; more is forgotten, so that a long one stays small. */
const MAX_RECORDED_REQUESTS = 10_000;

/**
 * How a call fails: with one of etcd's errors by its name, such as "noLeader" or "timeout"; as
 * "unavailable", when nothing was carried out; as "answerLost", when it was carried out and the
 * client never hears of it; or with a gRPC status of your own.
 */
export type Failure =
  | ErrorKind
  | "unavailable"
  | "answerLost"
  | { readonly code: number; readonly message: string };

/** One request that reached a member. */
export interface RecordedRequest {
  /** "put", "range", "txn", "watch", "leaseGrant" …: the method in lower camel case. */
  readonly call: string;
  /** Name of the member. */
  readonly member: string;
  /** Milliseconds on the clock of the test. */
  readonly atMs: number;
  /** The message, as etcd's API has it: keys and values are bytes. */
  readonly request: unknown;
  /** Its key as text; undefined for messages without one. */
  readonly key: string | undefined;
}

export type Verdict =
  | { readonly kind: "pass" }
  | { readonly kind: "loseAnswer" }
  | { readonly kind: "fail"; readonly code: number; readonly message: string };

const PASS: Verdict = { kind: "pass" };

export class Ledger {
  readonly #nowMs: () => number;
  readonly #requests: RecordedRequest[] = [];
  /** What fails next, by the index of the method. */
  readonly #failures = new Map<number, Failure[]>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** The oldest first. */
  get requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  record(method: number, member: string, body: Uint8Array): void {
    if (this.#requests.length === MAX_RECORDED_REQUESTS) this.#requests.shift();
    this.#requests.push(new Recorded(method, member, this.#nowMs(), new Uint8Array(body)));
  }

  forget(): void {
    this.#requests.length = 0;
    this.#failures.clear();
  }

  /** @throws TypeError for the name of no call, and of no error; RangeError for no times at all. */
  failNext(call: string, failure: Failure, times: number): void {
    const method = methodNamed("failNext", call);
    checkFailure(failure);
    if (!(Number.isSafeInteger(times) && times > 0)) {
      throw new RangeError(`failNext: ${times} is no number of calls`);
    }
    const waiting = this.#failures.get(method) ?? [];
    for (let i = 0; i < times; i++) waiting.push(failure);
    this.#failures.set(method, waiting);
  }

  /** What becomes of a call that comes now. */
  judge(method: number): Verdict {
    const failure = this.#failures.get(method)?.shift();
    return failure === undefined ? PASS : verdictOf(failure);
  }
}

class Recorded implements RecordedRequest {
  readonly member: string;
  readonly atMs: number;
  readonly #method: number;
  readonly #body: Uint8Array;

  constructor(method: number, member: string, atMs: number, body: Uint8Array) {
    this.#method = method;
    this.member = member;
    this.atMs = atMs;
    this.#body = body;
  }

  get call(): string {
    return callName(this.#method);
  }

  get request(): unknown {
    return METHODS[this.#method]?.request.decode(this.#body);
  }

  get key(): string | undefined {
    const { request } = this;
    if (typeof request !== "object" || request === null || !("key" in request)) return undefined;
    return request.key instanceof Uint8Array ? Buffer.from(request.key).toString() : undefined;
  }
}

/** "Put" is "put", as the client calls it. */
function callName(method: number): string {
  const name = METHODS[method]?.name ?? "";
  return name.charAt(0).toLowerCase() + name.slice(1);
}

let methods: ReadonlyMap<string, number> | undefined;

/** @throws TypeError that says what may have been meant. */
function methodNamed(where: string, call: string): number {
  methods ??= new Map(
    METHODS.filter(({ service }) => NAMED.test(service)).map(({ index }) => [
      callName(index),
      index,
    ]),
  );
  const method = methods.get(call);
  if (method !== undefined) return method;
  throw new TypeError(`${where}: no call is named "${call}"${hint(call, [...methods.keys()])}`);
}

function checkFailure(failure: Failure): void {
  if (typeof failure === "object" && isStatus(failure)) return;
  const known = ["unavailable", "answerLost", ...Object.keys(ERRORS)];
  if (typeof failure !== "string") {
    throw new TypeError("failNext: an error is a name or { code: 1 to 16, message }");
  }
  if (known.includes(failure)) return;
  throw new TypeError(`failNext: no error is named "${failure}"${hint(failure, known)}`);
}

function isStatus(failure: { readonly code: number; readonly message: string } | null): boolean {
  const { code = 0, message } = failure ?? {};
  return Number.isInteger(code) && code > 0 && code <= 16 && typeof message === "string";
}

function hint(name: string, known: readonly string[]): string {
  const meant = closestName(name, known);
  return meant === undefined ? "" : `; did you mean "${meant}"?`;
}

function verdictOf(failure: Failure): Verdict {
  if (failure === "answerLost") return { kind: "loseAnswer" };
  if (failure === "unavailable") {
    return { kind: "fail", code: StatusCode.UNAVAILABLE, message: "the test wanted it so" };
  }
  const { code, message } = typeof failure === "object" ? failure : ERRORS[failure];
  return { kind: "fail", code, message };
}
