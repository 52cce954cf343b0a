/**
 * Whose a long stream is. Its token may expire while the stream lives on, as tokens that nobody uses
 * do; the stream is still of the user who opened it, until that user is deleted or gets another
 * password.
 */
import { EtcdError } from "../../api/errors.ts";
import { type Identity, NOBODY } from "../../auth/index.ts";
import { EMPTY_BYTES, equalBytes } from "../../base/bytes.ts";
import type { Call } from "../../env/index.ts";
import type { Authentication } from "./authentication.ts";

interface Bearer {
  readonly username: string;
  /** The hash that stood in the user's record when the token was last good. */
  readonly password: Uint8Array;
}

export class StreamBearer {
  readonly #auth: Authentication;
  readonly #call: Call;
  #last: Bearer | undefined;

  constructor(auth: Authentication, call: Call) {
    this.#auth = auth;
    this.#call = call;
  }

  /** The user whose token was good when it was last looked at. */
  get lastUser(): string | undefined {
    return this.#last?.username;
  }

  /** Whose token it is. Throws `EtcdError("invalidAuthToken")` when it means nothing any more. */
  identify(): Identity {
    const who = this.#auth.identifyNow(this.#call);
    const { username } = who;
    if (who !== NOBODY) this.#last = { username, password: this.#passwordOf(username) };
    return who;
  }

  /** Who it is now, for a look at what the user may still do; nobody if that cannot be said. */
  now(): Identity {
    const username = this.#username();
    if (username === undefined) return NOBODY;
    return { username, authRevision: this.#auth.store.revision };
  }

  #username(): string | undefined {
    try {
      const who = this.identify();
      return who === NOBODY ? undefined : who.username;
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
    }
    const last = this.#last;
    if (last === undefined) return undefined;
    return equalBytes(last.password, this.#passwordOf(last.username)) ? last.username : undefined;
  }

  #passwordOf(username: string): Uint8Array {
    return this.#auth.store.user(username)?.password ?? EMPTY_BYTES;
  }
}
