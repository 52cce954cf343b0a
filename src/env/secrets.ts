/** Secrets as arguments: passwords and signatures, whose work is done by the platform. */

/** bcrypt, off the event loop; hashes are `$2a$…` text, as Go writes and reads them. */
export interface PasswordHasher {
  /** Rejects with `EtcdError("tooManyRequests")` when too many wait already. */
  hash(password: string, cost: number): Promise<string>;
  /** False for a wrong password and for text that is no hash. Rejects as `hash` does. */
  verify(password: string, hash: string): Promise<boolean>;
  /** The same on the spot, for entries that an old member logged with the password in clear. */
  hashNow(password: string, cost: number): string;
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
