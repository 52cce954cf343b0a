/**
 * Who a client is: a user whose password may change, and the token of the last login. A token that
 * a member does not take, as after its restart, is followed by a new login there.
 */
import { AuthenticateRequest, AuthenticateResponse } from "../../src/api/gen/rpc.ts";
import { METHOD } from "../../src/api/rpc-table.ts";
import type { Member } from "../../src/testing/world/member.ts";
import type { CallResult, Port } from "./port.ts";

/** Between logins that fail: wrong passwords must not keep others from logging in. */
const PAUSE_MS = 1500;

const TOKEN_LOST = /invalid auth token|user name is empty/;
const REFUSED = /invalid auth token|user name is empty|permission denied|revision of auth store/;

export class Login {
  readonly name: string;
  token: string | undefined;
  /** The last one first; which of them holds, may not be known. */
  readonly passwords: string[];
  #attempts = 0;
  #pausedUntilMs = 0;

  constructor(name: string, password: string) {
    this.name = name;
    this.passwords = [password];
  }

  /** Perhaps: its outcome is known to the cluster alone. */
  passwordChanged(password: string): void {
    this.passwords.unshift(password);
    this.passwords.length = Math.min(this.passwords.length, 2);
  }

  /** True for words that keep a request from a user, some of which end the login. */
  heard(text: string): boolean {
    if (TOKEN_LOST.test(text)) this.token = undefined;
    return REFUSED.test(text);
  }

  async call(
    port: Port,
    member: Member,
    method: number,
    body: Uint8Array,
    timeoutMs: number,
  ): Promise<CallResult> {
    if (this.token === undefined && port.world.scheduler.nowMs >= this.#pausedUntilMs) {
      const refusal = await this.#logIn(port, member, timeoutMs);
      if (refusal !== undefined) return refusal;
    }
    const result = await port.send(member, method, body, timeoutMs, this.token);
    if (result.kind === "failure") this.heard(result.message);
    return result;
  }

  /** What the call is answered with that waits for the login; undefined if it may go. */
  async #logIn(port: Port, member: Member, timeoutMs: number): Promise<CallResult | undefined> {
    const password = this.passwords[this.#attempts % this.passwords.length] ?? "";
    const body = AuthenticateRequest.encode({ name: this.name, password });
    const result = await port.send(member, METHOD.Authenticate, body, timeoutMs, undefined);
    port.world.count(`login ${result.kind}`);
    if (result.kind === "reply") {
      this.token = AuthenticateResponse.decode(result.body).token;
      return undefined;
    }
    if (result.kind !== "failure") return { kind: "refused" };
    if (/not enabled/.test(result.message)) return undefined;
    this.#attempts++;
    this.#pausedUntilMs = port.world.scheduler.nowMs + PAUSE_MS;
    return { kind: "refused" };
  }
}
