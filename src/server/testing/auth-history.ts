/**
 * Random histories of users, keys, leases and watches, asked of a target one request after the
 * other and compared with the model answer by answer. What is asked depends on seed and model
 * alone, so that every target is asked the same.
 */
import assert from "node:assert/strict";
import {
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "../../api/gen/rpc.ts";
import { METHOD } from "../../api/rpc-table.ts";
import { ROOT_USER } from "../../auth/index.ts";
import type { AuthChange } from "../../auth/testing/auth-model.ts";
import {
  randomChange,
  randomRange,
  ROLE_NAMES,
  towardsEnabled,
  USER_NAMES,
} from "../../auth/testing/random-auth.ts";
import { bytesFromLatin1, latin1FromBytes } from "../../base/bytes.ts";
import { SeededRandom } from "../../env/testing/index.ts";
import {
  type AuthRequest,
  describeAnswer,
  encodeRequest,
  type KeyOperation,
  keysText,
  tokenOfLogin,
} from "./auth-requests.ts";
import {
  AuthWorldModel,
  type Bearer,
  type Implementation,
  type TokenKind,
  within,
} from "./auth-world-model.ts";

/** A body, or the text of a refusal. */
export type TargetAnswer = Uint8Array | string;

export interface TargetStream {
  send(message: Uint8Array): void;
  /** The next message, or the text of the status that the stream ended with. */
  next(): Promise<TargetAnswer>;
  close(): void;
}

/** A member of any implementation. */
export interface HistoryTarget {
  unary(method: number, body: Uint8Array, token: string | undefined): Promise<TargetAnswer>;
  open(method: number, token: string | undefined): TargetStream;
}

export interface HistoryOptions {
  readonly seed: number;
  readonly steps: number;
  readonly tokenKind: TokenKind;
  /** Whose deliberate differences are expected (docs/differences.md, Authentication). */
  readonly implementation: Implementation;
}

interface OpenWatch {
  readonly key: string;
  readonly end: string;
  readonly token: number | undefined;
  readonly stream: TargetStream;
  /** What it must have been told when it is looked at. */
  readonly expected: string[];
  bearer: Bearer | undefined;
  hasEnded: boolean;
}

/** A token that nobody was given. */
const BAD_TOKEN = -1;
const LEASES = [1n, 2n, 3n, 4n];
/** Among the keys that a transaction puts: it deletes instead. */
const DELETIONS = "";
/** Logins whose tokens are still tried. */
const TOKENS_TRIED = 8;
const MAX_WATCHES = 3;
const MAX_GUEST_REQUESTS = 6;
/** Few, so that requests meet. */
const KEYS = ["\0", "a", "aa", "ab", "b", "ba", "bb", "b\xff", "\xff"];

/** Runs one history. Rejects with an `AssertionError` that names seed and step. Counts answers. */
export async function runAuthHistory(
  target: HistoryTarget,
  options: HistoryOptions,
): Promise<Map<string, number>> {
  const history = new History(target, options);
  return await history.run();
}

class History {
  readonly #target: HistoryTarget;
  readonly #options: HistoryOptions;
  readonly #random: SeededRandom;
  readonly #model: AuthWorldModel;
  readonly #tokens: string[] = [];
  readonly #counts = new Map<string, number>();
  #watches: OpenWatch[] = [];
  /** Who has just logged in does something with it. */
  #guest: { readonly token: number; left: number } | undefined;
  #at = "";

  constructor(target: HistoryTarget, options: HistoryOptions) {
    this.#target = target;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#model = new AuthWorldModel(options.tokenKind, options.implementation);
  }

  async run(): Promise<Map<string, number>> {
    const { seed, steps, tokenKind } = this.#options;
    for (let step = 0; step < steps; step++) {
      this.#at = `TEST_SEED=${seed}, ${tokenKind}, step ${step}`;
      await this.#step();
    }
    for (const watch of this.#watches) await this.#look(watch);
    return this.#counts;
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const dice = random.below(100);
    if (this.#needsRootLogin()) {
      const password = this.#model.auth.users.get(ROOT_USER)?.password ?? "";
      return this.#ask({ kind: "login", name: ROOT_USER, password }, undefined);
    }
    if (this.#guest !== undefined && this.#guest.left-- > 0)
      return this.#actAsGuest(this.#guest.token);
    if (dice < 4) return this.#openWatch(this.#caller());
    if (dice < 7) return this.#lookAtAWatch();
    if (dice < 12) return this.#renew(random.pick(LEASES), this.#caller());
    if (dice < 45) {
      const change = this.#nextChange();
      // Mostly by somebody who may: a refusal changes nothing.
      const token = random.chance(0.8) ? this.#rootToken() : this.#caller();
      return this.#ask({ kind: "change", change }, token);
    }
    return this.#ask(this.#nextRequest(), this.#caller());
  }

  async #actAsGuest(token: number): Promise<void> {
    const random = this.#random;
    const dice = random.below(10);
    if (dice === 0) return this.#openWatch(token);
    if (dice === 1) return this.#renew(random.pick(LEASES), token);
    return this.#ask(dice < 8 ? randomOperation(random) : randomTxn(random, 0), token);
  }

  #needsRootLogin(): boolean {
    return this.#model.auth.enabled && this.#rootToken() === undefined;
  }

  /** One that may administer; its own revision does not matter for that. */
  #rootToken(): number | undefined {
    const { tokens } = this.#model;
    for (let number = tokens.length - 1; number >= 0; number--) {
      if (tokens[number]?.username === ROOT_USER && tokens[number]?.isLive) return number;
    }
    return undefined;
  }

  #caller(): number | undefined {
    const random = this.#random;
    const { length } = this.#model.tokens;
    const dice = random.below(100);
    if (dice < 8) return undefined;
    if (dice < 12) return BAD_TOKEN;
    if (dice < 32 || length === 0) return this.#rootToken();
    return length - 1 - random.below(Math.min(length, TOKENS_TRIED));
  }

  /** One after which root can still log in. */
  #nextChange(): AuthChange {
    const { auth } = this.#model;
    for (;;) {
      const change = randomChange(this.#random, auth);
      const root = auth.users.get(ROOT_USER);
      const isRoot = "name" in change && change.name === ROOT_USER;
      if (change.kind === "userPassword" && isRoot && change.password === "") continue;
      if (change.kind === "userAdd" && isRoot && root === undefined) return towardsEnabled(auth);
      return change;
    }
  }

  #nextRequest(): AuthRequest {
    const random = this.#random;
    const dice = random.below(100);
    const lease = random.pick(LEASES);
    const name = random.pick(USER_NAMES);
    if (dice < 18) return this.#login();
    if (dice < 21) return { kind: "status" };
    if (dice < 25) return { kind: "userGet", name: random.chance(0.2) ? "" : name };
    if (dice < 27) return { kind: "userList" };
    if (dice < 31) return { kind: "roleGet", name: random.pick(ROLE_NAMES) };
    if (dice < 33) return { kind: "roleList" };
    if (dice < 38) return { kind: "leaseGrant", lease };
    if (dice < 41) return { kind: "leaseRevoke", lease };
    if (dice < 45) return { kind: "leaseShow", lease, keys: random.chance(0.7) };
    if (dice < 48) return { kind: "leaseList" };
    if (dice < 52) return { kind: "serializable", ...randomRange(random, KEYS) };
    if (dice < 75) return randomOperation(random);
    return randomTxn(random, 0);
  }

  /** Mostly with the right password, so that nobody is kept from trying. */
  #login(): AuthRequest {
    const random = this.#random;
    const users = [...this.#model.auth.users].filter(([, { password }]) => password !== undefined);
    if (users.length > 0 && random.chance(0.8)) {
      const [name, { password = "" }] = random.pick(users);
      return { kind: "login", name, password };
    }
    return { kind: "login", name: random.pick(USER_NAMES), password: random.pick(["one", "no"]) };
  }

  async #ask(request: AuthRequest, token: number | undefined): Promise<void> {
    const before = new Map(this.#model.keys);
    const revisionBefore = this.#model.revision;
    const expected = this.#model.answer(request, token);
    const { method, body } = encodeRequest(request);
    const answer = await this.#target.unary(method, body, this.#tokenText(token));
    const found = typeof answer === "string" ? answer : describeAnswer(request, answer);
    this.#compare(found, expected, { request, token });
    if (request.kind === "login" && typeof answer !== "string") {
      const token = this.#tokens.push(tokenOfLogin(answer)) - 1;
      const left = request.name === ROOT_USER ? 0 : this.#random.between(1, MAX_GUEST_REQUESTS);
      this.#guest = { token, left };
    }
    if (this.#model.revision > revisionBefore) this.#expectEvents(request, before);
    if (request.kind === "change") this.#expectEnds();
  }

  #compare(found: string, expected: string, asked: unknown): void {
    const print = (_: string, value: unknown) =>
      typeof value === "bigint" ? String(value) : value;
    const outcome = expected.startsWith("rpc error") ? expected : "answered";
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    assert.equal(found, expected, `${this.#at}: ${JSON.stringify(asked, print)}`);
  }

  #tokenText(token: number | undefined): string | undefined {
    if (token === undefined) return undefined;
    return token === BAD_TOKEN ? "abcdefghijklmnop.1" : this.#tokens[token];
  }

  async #renew(lease: bigint, token: number | undefined): Promise<void> {
    const expected = this.#model.renew(lease, token);
    const stream = this.#target.open(METHOD.LeaseKeepAlive, this.#tokenText(token));
    stream.send(LeaseKeepAliveRequest.encode({ ID: lease }));
    const answer = await stream.next();
    stream.close();
    const found = typeof answer === "string" ? answer : ttlText(answer);
    this.#compare(found, expected, { renew: lease, token });
  }

  async #openWatch(token: number | undefined): Promise<void> {
    const { key, end } = randomRange(this.#random, KEYS);
    if (this.#watches.length >= MAX_WATCHES) return;
    const expected = this.#model.watch(key, end, token);
    const stream = this.#target.open(METHOD.Watch, this.#tokenText(token));
    const range = { key: bytesFromLatin1(key), rangeEnd: bytesFromLatin1(end) };
    const value = WatchCreateRequest.create(range);
    stream.send(WatchRequest.encode({ requestUnion: { case: "createRequest", value } }));
    const answer = await stream.next();
    this.#compare(createdText(answer), expected, { watch: { key, end }, token });
    if (expected !== "created") stream.close();
    else {
      const bearer = this.#model.bearer(token, undefined);
      this.#watches.push({ key, end, token, stream, expected: [], bearer, hasEnded: false });
    }
  }

  /** Keys that came and went, in one line for each revision. */
  #expectEvents(request: AuthRequest, before: ReadonlyMap<string, bigint>): void {
    const { keys, revision } = this.#model;
    const written = writtenBy(request, before);
    for (const watch of this.#watches) {
      if (watch.hasEnded) continue;
      const gone = within(before, watch.key, watch.end).filter((key) => !keys.has(key));
      const put = within(keys, watch.key, watch.end).filter((key) => written.has(key));
      const seen = [...put.map((key) => `put ${key}`), ...gone.map((key) => `delete ${key}`)];
      if (seen.length > 0) watch.expected.push(`${revision} ${keysText(seen)}`);
    }
  }

  #expectEnds(): void {
    if (this.#options.implementation === "go") return;
    for (const watch of this.#watches) {
      if (watch.hasEnded) continue;
      watch.bearer = this.#model.bearer(watch.token, watch.bearer);
      watch.hasEnded = !this.#model.maySee(watch.key, watch.end, watch.bearer);
    }
  }

  async #lookAtAWatch(): Promise<void> {
    const number = this.#random.below(MAX_WATCHES);
    const watch = this.#watches[number];
    if (watch === undefined) return;
    await this.#look(watch);
    this.#watches = this.#watches.filter((each) => each !== watch);
  }

  /** Root puts a key that it sees, if it still sees any: what comes before that is all there was. */
  async #look(watch: OpenWatch): Promise<void> {
    if (this.#needsRootLogin()) {
      const password = this.#model.auth.users.get(ROOT_USER)?.password ?? "";
      await this.#ask({ kind: "login", name: ROOT_USER, password }, undefined);
    }
    const { key, end, stream } = watch;
    await this.#mark(key);
    const told: string[] = [];
    const count = watch.expected.length + (watch.hasEnded ? 1 : 0);
    while (told.length < count) told.push(...eventTexts(await stream.next()));
    stream.close();
    const ends = watch.hasEnded ? ["ended"] : [];
    assert.deepEqual(told, [...watch.expected, ...ends], `${this.#at}: watch of ${key}, ${end}`);
    this.#counts.set("watched", (this.#counts.get("watched") ?? 0) + told.length);
  }

  /** By a root whose token is as new as the permissions are. */
  async #mark(key: string): Promise<void> {
    const { auth } = this.#model;
    if (auth.enabled) {
      const password = auth.users.get(ROOT_USER)?.password ?? "";
      await this.#ask({ kind: "login", name: ROOT_USER, password }, undefined);
    }
    const token = auth.enabled ? this.#model.tokens.length - 1 : undefined;
    await this.#ask({ kind: "put", key, lease: 0n, prev: false }, token);
    assert.ok(!auth.enabled || this.#model.auth.users.get(ROOT_USER)?.roles.includes("root"));
  }
}

function ttlText(body: Uint8Array): string {
  const { TTL } = LeaseKeepAliveResponse.decode(body);
  return TTL > 0 ? "lives" : String(TTL);
}

function createdText(answer: TargetAnswer): string {
  if (typeof answer === "string") return answer;
  const { created, canceled, cancelReason } = WatchResponse.decode(answer);
  assert.ok(created);
  return canceled ? cancelReason : "created";
}

/** A line for each revision; "ended" for a watch that was cancelled. */
function eventTexts(answer: TargetAnswer): string[] {
  if (typeof answer === "string") return [answer];
  const { events, canceled } = WatchResponse.decode(answer);
  if (canceled) return ["ended"];
  const lines = new Map<number, string[]>();
  for (const { type, kv } of events) {
    const revision = kv?.modRevision ?? 0;
    const line = lines.get(revision) ?? [];
    line.push(`${type === 0 ? "put" : "delete"} ${latin1FromBytes(kv?.key ?? new Uint8Array())}`);
    lines.set(revision, line);
  }
  return [...lines].map(([revision, keys]) => `${revision} ${keysText(keys)}`);
}

/** The keys that a request has put, if it took the way that the keys before it say. */
function writtenBy(request: AuthRequest, before: ReadonlyMap<string, bigint>): Set<string> {
  if (request.kind === "put") return new Set([request.key]);
  if (request.kind !== "txn") return new Set();
  const succeeded = request.compare.every(({ key, end, isThere }) => {
    return within(before, key, end).length > 0 === isThere;
  });
  const taken = succeeded ? request.success : request.failure;
  return new Set(taken.flatMap((each) => [...writtenBy(each, before)]));
}

function randomOperation(random: SeededRandom): KeyOperation {
  const { key, end } = randomRange(random, KEYS);
  const dice = random.below(10);
  const prev = random.chance(0.3);
  if (dice < 5) return { kind: "put", key, lease: randomLease(random), prev };
  if (dice < 8) return { kind: "range", key, end };
  return { kind: "delete", key, end, prev };
}

function randomLease(random: SeededRandom): bigint {
  return random.chance(0.5) ? 0n : random.pick(LEASES);
}

/** Puts or deletions, as both of one key in one transaction are refused for what they are. */
function randomTxn(random: SeededRandom, depth: number, used = new Set<string>()): KeyOperation {
  const branch = (): KeyOperation[] =>
    Array.from({ length: random.below(3) }, () => {
      if (depth < 2 && random.chance(0.3)) return randomTxn(random, depth + 1, used);
      const operation = randomOperation(random);
      if (operation.kind === "put" && !used.has(operation.key) && !used.has(DELETIONS)) {
        used.add(operation.key);
        return operation;
      }
      if (operation.kind === "delete" && (used.size === 0 || used.has(DELETIONS))) {
        used.add(DELETIONS);
        return operation;
      }
      return { kind: "range", ...randomRange(random, KEYS) };
    });
  const compare = Array.from({ length: random.below(2) }, () => {
    return { ...randomRange(random, KEYS), isThere: random.chance(0.5) };
  });
  return { kind: "txn", compare, success: branch(), failure: branch() };
}
