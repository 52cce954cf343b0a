/** Passwords that are not hashed at all, for tests and simulation: no threads, no time, no chance. */
import type { PasswordHasher } from "../secrets.ts";

export class PlainPasswords implements PasswordHasher {
  async hash(password: string): Promise<string> {
    return this.hashNow(password);
  }

  async verify(password: string, hash: string): Promise<boolean> {
    return hash === this.hashNow(password);
  }

  hashNow(password: string): string {
    return `plain ${password}`;
  }
}
