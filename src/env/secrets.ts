/** Secrets as arguments: passwords and signatures, whose work is done by the platform. */

/** bcrypt, off the event loop; hashes are `$2a$…` text, as Go writes and reads them. */
export interface PasswordHasher {
  /** Rejects with `HasherBusyError`, or `PasswordTooLongError`. */
  hash(password: string, cost: number): Promise<string>;
  /**
   * False for a wrong password and for text that is no hash. Rejects with `HasherBusyError`, or what
   * `admit` throws.
   */
  verify(password: string, hash: string, turn?: HashTurn): Promise<boolean>;
  /** The same on the spot, for entries that an old member logged with the password in clear. */
  hashNow(password: string, cost: number): string;
}

/** How a password waits to be hashed. */
export interface HashTurn {
  /** Lanes have turns: those who wait in one do not hold up another. */
  readonly lane: string;
  /** Asked when its turn has come; what it throws ends the wait without a hash. */
  readonly admit: () => void;
}

/** Signs and checks text with one key and one algorithm, both fixed when the member starts. */
export interface TokenSigner {
  /** The name of RFC 7518, such as "RS256". */
  readonly algorithm: string;
  /** False when only the public half of the key is known. */
  readonly canSign: boolean;
  /** The signature as base64url. */
  sign(text: string): string;
  verify(text: string, signature: string): boolean;
}

/** So many hashes wait already that this one was not begun. */
export class HasherBusyError extends Error {
  constructor() {
    super("too many passwords wait to be hashed");
    this.name = "HasherBusyError";
  }
}

/** In the words of Go's library, which etcd hands to the client untranslated (code Unknown). */
export class PasswordTooLongError extends Error {
  constructor() {
    super("bcrypt: password length exceeds 72 bytes");
    this.name = "PasswordTooLongError";
  }
}
