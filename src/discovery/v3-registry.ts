/**
 * The keys of a cluster that forms, in the etcd that serves its discovery: the size, and one key
 * per member. Layout and texts are etcd 3.6's.
 */
import { posix } from "node:path";
import { formatID, type MemberID } from "../base/ids.ts";

const PREFIX = "/_etcd/registry";

export interface RegisteredMember {
  readonly key: string;
  /** `name=url` pairs joined by commas. */
  readonly value: string;
  readonly createRevision: number;
}

export class V3Registry {
  readonly root: string;

  constructor(token: string) {
    this.root = posix.join(PREFIX, token);
  }

  get sizeKey(): string {
    return posix.join(this.root, "_config", "size");
  }

  get membersPrefix(): string {
    return posix.join(this.root, "members");
  }

  memberKey(id: MemberID): string {
    return `${this.membersPrefix}/${formatID(id)}`;
  }
}

/** Those that have registered, in the order in which they did: the first ones are the cluster. */
export class RegisteredMembers {
  #members: RegisteredMember[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** Undefined when it is taken in; otherwise why it is not, in etcd's words. */
  add(member: RegisteredMember): string | undefined {
    if (!member.value.includes("=")) {
      return "invalid peer info returned from discovery service";
    }
    if (this.#members.some(({ key }) => key === member.key)) {
      return "found duplicate peer from discovery service";
    }
    this.#members.push(member);
    this.#members.sort((a, b) => a.createRevision - b.createRevision);
    return undefined;
  }

  /** Whether `size` members have come before this one. */
  isFullFor(key: string, size: number): boolean {
    return !this.#members.slice(0, size).some((member) => member.key === key) && this.size >= size;
  }

  /** The first `size` of them, in the form of `--initial-cluster`. */
  initialCluster(size: number): string {
    const first = this.#members.slice(0, size);
    return first.map(({ value }) => value).join(",");
  }
}
