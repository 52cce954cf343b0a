/** Which version a cluster should have, decided by its leader, and when it may be lowered. */
import {
  compareVersions,
  formatVersion,
  majorMinor,
  MIN_CLUSTER_VERSION,
  parseVersion,
  type SemanticVersion,
} from "../api/version.ts";
import { assert } from "../base/assert.ts";
import type { DowngradeInfo } from "./cluster.ts";

export interface VersionFacts {
  /** The cluster's, undefined before it was decided. */
  readonly current: SemanticVersion | undefined;
  /** The lowest server version of the members; undefined when one did not say. */
  readonly lowest: SemanticVersion | undefined;
  readonly downgrade: DowngradeInfo;
}

/** The version to be proposed; undefined to leave it. "invalid": the downgrade cannot be done. */
export function decideClusterVersion(facts: VersionFacts): SemanticVersion | "invalid" | undefined {
  const { current, downgrade } = facts;
  const lowest = facts.lowest === undefined ? undefined : majorMinor(facts.lowest);
  if (current === undefined) return lowest ?? mustParseVersion(MIN_CLUSTER_VERSION);
  if (lowest === undefined) return undefined;
  if (downgrade.enabled) {
    const target = mustParseVersion(downgrade.targetVersion);
    if (compareVersions(target, current) === 0) return undefined;
    return isDowngrade(current, target) && isDowngrade(lowest, target) ? target : "invalid";
  }
  // Ever upwards, and within one major version; but 3.x follows 2.3.
  const isSameLine = current.major === lowest.major || (current.major === 2 && lowest.major === 3);
  return isSameLine && compareVersions(current, lowest) < 0 ? lowest : undefined;
}

/** A downgrade goes down one minor version at a time. */
export function isDowngrade(from: SemanticVersion, to: SemanticVersion): boolean {
  const target = { ...majorMinor(from), minor: from.minor - 1 };
  return compareVersions(to, target) === 0;
}

/** "3.5" or "3.5.12" as a cluster version; undefined if it is none. */
export function parseTargetVersion(text: string): SemanticVersion | undefined {
  const version = parseVersion(text) ?? parseVersion(`${text}.0`);
  return version === undefined ? undefined : majorMinor(version);
}

/** "3.6": how log lines, metrics and etcdctl print a cluster version. */
export function shortVersion(version: SemanticVersion | string): string {
  const { major, minor } = typeof version === "string" ? mustParseVersion(version) : version;
  return `${major}.${minor}`;
}

/** For versions that the server itself has written. */
export function mustParseVersion(text: string): SemanticVersion {
  const version = parseVersion(text);
  assert(version !== undefined, `malformed version ${text}`);
  return version;
}

/** True for "3.5.0" before "3.6.0". */
export function isBefore(version: string, other: string): boolean {
  return compareVersions(mustParseVersion(version), mustParseVersion(other)) < 0;
}

/** As the log and the db have it: "3.6.0". */
export function clusterVersionOf(serverVersion: string): string {
  return formatVersion(majorMinor(mustParseVersion(serverVersion)));
}
