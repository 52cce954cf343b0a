/**
 * etcd's simple tokens: sixteen random letters, a dot, and an index of the log: of the login's entry
 * (3.4), or of the one before it. They live in the memory of each member, which learns of them by
 * applying the login, and end when they are not used for a while.
 *
 * A member may have given the token out in one form and this one remember it in the other: while a
 * cluster leaves 3.4, members change from one to the other at different times.
 *
 * Invariant: tokens are held in the order in which they expire, as all live equally long and every
 * use moves a token to the end; so the first is the one to drop.
 */
import type { Random } from "../env/random.ts";
import type { TokenContext, TokenLogin, TokenProvider, TokenVerdict } from "./tokens.ts";

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

interface Login {
  readonly username: string;
  expiresMs: number;
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

  assign({ username, prefix, index }: TokenLogin, nowMs: number): string {
    const token = `${prefix}.${index}`;
    // Members with another kind of tokens choose no letters; nobody holds what anybody could guess.
    if (this.#logins === undefined || prefix === "") return token;
    this.#dropExpired(nowMs);
    if (this.#logins.size >= this.#maxTokens) this.#dropFirst();
    this.#logins.set(token, { username, expiresMs: nowMs + this.#ttlMs });
    return token;
  }

  verify(token: string, { nowMs, authRevision, appliedIndex }: TokenContext): TokenVerdict {
    const parts = TOKEN.exec(token);
    if (parts === null) return { kind: "invalid", reason: "it is no simple token" };
    const [, prefix = "", digits] = parts;
    const index = Number(digits);
    const held = this.#heldAs(token, prefix, index);
    const login = this.#logins?.get(held);
    if (login === undefined) {
      return index >= appliedIndex
        ? { kind: "early", index: index + 1 }
        : { kind: "invalid", reason: "it is not known" };
    }
    this.#logins?.delete(held);
    if (login.expiresMs <= nowMs) return { kind: "invalid", reason: "it has expired" };
    login.expiresMs = nowMs + this.#ttlMs;
    this.#logins?.set(held, login);
    return { kind: "valid", identity: { username: login.username, authRevision } };
  }

  /** The form in which a token would be remembered here. */
  #heldAs(token: string, prefix: string, index: number): string {
    if (this.#logins === undefined || this.#logins.has(token)) return token;
    const later = `${prefix}.${index + 1}`;
    return this.#logins.has(later) ? later : `${prefix}.${index - 1}`;
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
