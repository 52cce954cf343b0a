/**
 * etcd's simple tokens: sixteen random letters, a dot, and an index of the log: of the login's entry
 * (3.4), or of the one before it. They live in the memory of each member, which learns of them by
 * applying the login, and end when they are not used for a while.
 *
 * A member may have given the token out in one form and this one remember it in the other: while a
 * cluster leaves 3.4, members change from one to the other at different times.
 *
 * Invariant: tokens are held in the order of their last use, to within `REORDER_SHARE` of the time
 * that they live; so the first is the one to drop. To move a token at each use would cost more than
 * all else that a use does.
 */
import type { Random } from "../env/random.ts";
import type { Identity } from "./identity.ts";
import type {
  TokenContext,
  TokenLogin,
  TokenProvider,
  TokenVerdict,
  ValidToken,
} from "./tokens.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const PREFIX_LENGTH = 16;
/** `--auth-token-ttl` when it is not given, or not positive. */
const DEFAULT_SIMPLE_TOKEN_TTL_MS = 300_000;
/**
 * Logins held at once. A client that logs in without end would fill the memory of every member
 * otherwise; the login that was not used for longest ends first, and its client logs in anew.
 */
const MAX_SIMPLE_TOKENS = 100_000;
/** The index is a safe integer: fifteen digits are more than any log has entries. */
const TOKEN = /^([^.]*)\.([0-9]{1,15})$/;

/** A token is moved to the end when this share of its time has passed since it was last moved. */
const REORDER_SHARE = 1 / 64;

interface Login {
  readonly username: string;
  expiresMs: number;
  /** When it was put where it stands in the order. */
  movedMs: number;
  /** Made anew when the revision of auth has changed, and the same for all uses between. */
  verdict: ValidToken;
}

export class SimpleTokens implements TokenProvider {
  readonly #random: Random;
  readonly #ttlMs: number;
  readonly #maxTokens: number;
  /** Undefined while authentication is off: nothing is remembered then. */
  #logins: Map<string, Login> | undefined;

  constructor(options: {
    readonly random: Random;
    readonly ttlMs: number;
    readonly maxTokens?: number;
  }) {
    this.#random = options.random;
    this.#ttlMs = options.ttlMs > 0 ? options.ttlMs : DEFAULT_SIMPLE_TOKEN_TTL_MS;
    this.#maxTokens = options.maxTokens ?? MAX_SIMPLE_TOKENS;
  }

  get size(): number {
    return this.#logins?.size ?? 0;
  }

  enable(): void {
    this.#logins ??= new Map();
  }

  disable(): void {
    this.#logins = undefined;
  }

  invalidateUser(username: string): void {
    for (const [token, login] of this.#logins ?? []) {
      if (login.username === username) this.#logins?.delete(token);
    }
  }

  newPrefix(): string {
    let prefix = "";
    for (let i = 0; i < PREFIX_LENGTH; i++) prefix += LETTERS[this.#random.below(LETTERS.length)];
    return prefix;
  }

  assign({ username, prefix, index, authRevision }: TokenLogin, nowMs: number): string {
    const token = `${prefix}.${index}`;
    // Members with another kind of tokens choose no letters; nobody holds what anybody could guess.
    if (this.#logins === undefined || prefix === "") return token;
    this.#dropExpired(nowMs);
    if (this.#logins.size >= this.#maxTokens) this.#dropFirst();
    this.#logins.set(token, {
      username,
      expiresMs: nowMs + this.#ttlMs,
      movedMs: nowMs,
      verdict: validToken({ username, authRevision }),
    });
    return token;
  }

  verify(token: string, context: TokenContext): TokenVerdict {
    const login = this.#logins?.get(token);
    if (login !== undefined) return this.#use(token, login, context);
    const parts = TOKEN.exec(token);
    if (parts === null) return { kind: "invalid", reason: "it is no simple token" };
    const [, prefix = "", digits] = parts;
    const index = Number(digits);
    for (const other of [`${prefix}.${index + 1}`, `${prefix}.${index - 1}`]) {
      const known = this.#logins?.get(other);
      if (known !== undefined) return this.#use(other, known, context);
    }
    // The login is the entry of this index, or the next one.
    if (index > context.appliedIndex) return { kind: "early", index };
    if (index === context.appliedIndex) return { kind: "early", index: index + 1 };
    return { kind: "invalid", reason: "it is not known" };
  }

  #use(token: string, login: Login, { nowMs, authRevision }: TokenContext): TokenVerdict {
    if (login.expiresMs <= nowMs) {
      this.#logins?.delete(token);
      return { kind: "invalid", reason: "it has expired" };
    }
    login.expiresMs = nowMs + this.#ttlMs;
    if (nowMs - login.movedMs > this.#ttlMs * REORDER_SHARE) this.#moveToEnd(token, login, nowMs);
    if (login.verdict.identity.authRevision !== authRevision) {
      login.verdict = validToken({ username: login.username, authRevision });
    }
    return login.verdict;
  }

  #moveToEnd(token: string, login: Login, nowMs: number): void {
    this.#logins?.delete(token);
    login.movedMs = nowMs;
    this.#logins?.set(token, login);
  }

  #dropExpired(nowMs: number): void {
    for (const [token, { expiresMs }] of this.#logins ?? []) {
      if (expiresMs > nowMs) return;
      this.#logins?.delete(token);
    }
  }

  #dropFirst(): void {
    for (const token of this.#logins?.keys() ?? []) {
      this.#logins?.delete(token);
      return;
    }
  }
}

function validToken(identity: Identity): ValidToken {
  return { kind: "valid", identity };
}
