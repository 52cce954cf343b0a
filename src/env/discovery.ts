/**
 * Finding the other members of a new cluster through a service, as an argument: the server says
 * who this member is, and gets the initial cluster.
 */
import type { MemberID } from "../base/ids.ts";

export interface Discovery {
  /** Of the service: "v2" is asked over HTTP at a URL, "v3" is etcd's own API. */
  readonly kind: "v2" | "v3";
  /**
   * Registers this member and waits for the others, for as long as it takes.
   * @param self `name=url` pairs of this member, joined by commas.
   * @returns those of all members, in the form of `--initial-cluster`; all its URLs are URLs.
   * @throws DiscoveryError
   */
  join(id: MemberID, self: string): Promise<string>;
}

/** Why a member cannot join: what a user must do depends on it. */
export type DiscoveryFailure = "clusterFull" | "duplicateID" | "duplicateName" | "other";

export class DiscoveryError extends Error {
  readonly failure: DiscoveryFailure;
  /** Without what was tried, in etcd's words. */
  readonly reason: string;
  /** When the cluster is full: its members, in the form of `--initial-cluster`. */
  readonly cluster: string | undefined;

  constructor(failure: DiscoveryFailure, reason: string, cluster?: string) {
    super(`failed to join discovery cluster (${reason})`);
    this.name = "DiscoveryError";
    this.failure = failure;
    this.reason = reason;
    this.cluster = cluster;
  }
}
