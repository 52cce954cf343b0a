/**
 * The auth token of a client with credentials: asked for when first needed, shared by all calls,
 * asked for again when a member no longer accepts it. One request at a time.
 *
 * Credentials are read anew for each login, so that a program may change them. Wrong ones are not
 * tried at each call: for a while calls get the refusal that the last login got, since each attempt
 * costs the members a hash and counts against the user.
 */
import type { Clock } from "../env/clock.ts";
import { type EtcdClientError, isErrorKind } from "./errors.ts";
import type { ClientErrorKind } from "./errors.ts";
import type { Credentials } from "./options.ts";

/**
 * Users or roles changed while the call was under way, and it was not carried out. Another attempt
 * is judged by the new ones, also of a client without a token, which its certificate names.
 */
export const USERS_CHANGED: ClientErrorKind = "authOldRevision";

/** Refusals that a new token may cure. The call was not carried out. */
const STALE_TOKEN_KINDS: ReadonlySet<ClientErrorKind> = new Set([
  "invalidAuthToken",
  USERS_CHANGED,
  // Authentication was enabled after the client had learnt that it is not.
  "userEmpty",
]);
/** New tokens of one call, or of one stream without an answer between. Users may change meanwhile. */
export const MAX_TOKEN_RENEWALS = 3;
/** Wrong credentials are not tried again for so long; doubles with each refusal, up to the most. */
const REFUSAL_PAUSE_MS = 1000;
const MAX_REFUSAL_PAUSE_MS = 30_000;

export function asksForNewToken(kind: ClientErrorKind): boolean {
  return STALE_TOKEN_KINDS.has(kind);
}

interface Refusal {
  readonly credentials: Credentials;
  readonly error: EtcdClientError;
  readonly pauseMs: number;
  readonly untilMs: number;
}

export class TokenSource {
  readonly #credentials: Credentials;
  readonly #authenticate: (credentials: Credentials) => Promise<string>;
  readonly #clock: Clock;
  /** Empty text: the cluster does not use authentication. */
  #token: string | undefined;
  #pending: Promise<string> | undefined;
  #refusal: Refusal | undefined;

  constructor(
    credentials: Credentials,
    authenticate: (credentials: Credentials) => Promise<string>,
    clock: Clock,
  ) {
    this.#credentials = credentials;
    this.#authenticate = authenticate;
    this.#clock = clock;
  }

  /** The token at hand. */
  get current(): string | undefined {
    return this.#token;
  }

  /** Rejects with kind "authFailed" for wrong credentials. */
  fetch(): Promise<string> {
    this.#pending ??= this.#ask().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #ask(): Promise<string> {
    const { username, password } = this.#credentials;
    const credentials = { username, password };
    const last = this.#refusal;
    const isSame =
      last?.credentials.username === username && last.credentials.password === password;
    if (isSame && this.#clock.nowMs() < last.untilMs) throw last.error;
    try {
      this.#token = await this.#authenticate(credentials);
    } catch (error) {
      if (isErrorKind(error, "authFailed")) {
        this.#refuse(credentials, error, isSame ? last.pauseMs * 2 : REFUSAL_PAUSE_MS);
      }
      if (!isErrorKind(error, "authNotEnabled")) throw error;
      this.#token = "";
    }
    this.#refusal = undefined;
    return this.#token;
  }

  #refuse(credentials: Credentials, error: EtcdClientError, longMs: number): void {
    const pauseMs = Math.min(longMs, MAX_REFUSAL_PAUSE_MS);
    this.#refusal = { credentials, error, pauseMs, untilMs: this.#clock.nowMs() + pauseMs };
  }

  /** `token` was refused; the next call asks for another, unless that has happened meanwhile. */
  invalidate(token: string): void {
    if (this.#token === token) this.#token = undefined;
  }
}
