/**
 * The auth token of a client with credentials: asked for when first needed, shared by all calls,
 * asked for again when a member no longer accepts it. One request at a time.
 */
import { isErrorKind } from "./errors.ts";
import type { ClientErrorKind } from "./errors.ts";

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

export function asksForNewToken(kind: ClientErrorKind): boolean {
  return STALE_TOKEN_KINDS.has(kind);
}

export class TokenSource {
  readonly #authenticate: () => Promise<string>;
  /** Empty text: the cluster does not use authentication. */
  #token: string | undefined;
  #pending: Promise<string> | undefined;

  constructor(authenticate: () => Promise<string>) {
    this.#authenticate = authenticate;
  }

  /** The token at hand. */
  get current(): string | undefined {
    return this.#token;
  }

  /** Rejects with kind "authFailed" for wrong credentials. */
  fetch(): Promise<string> {
    this.#pending ??= this.#authenticate()
      .catch((error: unknown) => {
        if (isErrorKind(error, "authNotEnabled")) return "";
        throw error;
      })
      .then((token) => {
        this.#token = token;
        return token;
      })
      .finally(() => {
        this.#pending = undefined;
      });
    return this.#pending;
  }

  /** `token` was refused; the next call asks for another, unless that has happened meanwhile. */
  invalidate(token: string): void {
    if (this.#token === token) this.#token = undefined;
  }
}
