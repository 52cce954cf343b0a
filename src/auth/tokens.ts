/**
 * What every kind of login token offers. A provider knows no clock and no keys of its own: time and
 * signatures come in.
 */
import type { Identity } from "./identity.ts";

/** What a token says about its bearer. */
export type TokenVerdict =
  | ValidToken
  | InvalidToken
  /** It may become valid here once the log is applied up to this index. */
  | { readonly kind: "early"; readonly index: number };

export interface InvalidToken {
  readonly kind: "invalid";
  /** What a log should say, in etcd's words, of a token that can be told to be wrong by itself. */
  readonly told?: string;
  readonly reason: string;
}

/** The same object for every use of a token, as long as nothing about it changes. */
export interface ValidToken {
  readonly kind: "valid";
  readonly identity: Identity;
}

export interface TokenProvider {
  /** Authentication is on from now on. */
  enable(): void;
  /** Ends all logins. */
  disable(): void;
  /** Ends the logins of a user that was deleted or got another password. */
  invalidateUser(username: string): void;
  /** The part of a new token that the proposing member chooses; "" when tokens need none. */
  newPrefix(): string;
  /**
   * The token of a login that was applied: its place in the log makes it the same on every member.
   * Throws `EtcdError` when this member cannot issue tokens.
   */
  assign(login: TokenLogin, nowMs: number): string;
  /**
   * Who bears the token. `authRevision` and `appliedIndex` are those of this member. Only what is
   * "valid" may be taken for anything.
   */
  verify(token: string, context: TokenContext): TokenVerdict;
}

export interface TokenLogin {
  readonly username: string;
  readonly prefix: string;
  /** What the token shows of its place in the log. */
  readonly index: number;
  readonly authRevision: number;
}

/** Read when needed: a provider asks for the one clock that its tokens live by. */
export interface TokenContext {
  /** `Clock.nowMs` for tokens that live in memory. */
  readonly nowMs: number;
  /** `Clock.wallMs` for tokens that carry a date. */
  readonly wallMs: number;
  readonly authRevision: number;
  readonly appliedIndex: number;
}
