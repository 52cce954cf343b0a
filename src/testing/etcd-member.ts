/** A member of a cluster in a test, as it is when it is asked. */
import { clientURL } from "./world/member-settings.ts";
import type { Member } from "./world/member.ts";

export class EtcdMember {
  /** "m1", "m2" … */
  readonly name: string;
  readonly #member: Member;

  /** Made by `Etcd`. */
  constructor(member: Member) {
    this.#member = member;
    this.name = member.name;
  }

  /** Names it as an endpoint for clients of `client()`. */
  get url(): string {
    return clientURL(this.name);
  }

  /** Its process is there, paused or not. */
  get isRunning(): boolean {
    return this.#member.life !== undefined;
  }

  /** It runs and has been served by a quorum. */
  get isServing(): boolean {
    return this.#member.isServing;
  }

  get isPaused(): boolean {
    return this.#member.isPaused;
  }

  /** It leads as far as it knows. */
  get isLeader(): boolean {
    return this.#member.server?.isLeader === true;
  }

  toString(): string {
    return this.name;
  }
}
