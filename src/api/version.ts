/** The versions this server speaks, and semantic versions as etcd compares them. */

/** The etcd release whose behaviour we follow. Reported by `version`, Status and /version. */
export const SERVER_VERSION = "3.6.14";

/** Oldest cluster version that this server can join; also the one before all members are known. */
export const MIN_CLUSTER_VERSION = "3.0.0";

export interface SemanticVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** Behind "-", such as "rc.0"; empty for a release. */
  readonly preRelease: string;
}

const PATTERN =
  /^(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/;

/** Reads "3.6.14" or "3.7.0-rc.0". Undefined if it is no semantic version. */
export function parseVersion(text: string): SemanticVersion | undefined {
  const match = PATTERN.exec(text);
  if (match === null) return undefined;
  const [, major = "", minor = "", patch = "", preRelease = ""] = match;
  return { major: Number(major), minor: Number(minor), patch: Number(patch), preRelease };
}

/** Negative, zero or positive. A pre-release is before its release (semver.org, item 11). */
export function compareVersions(a: SemanticVersion, b: SemanticVersion): number {
  if (a.major !== b.major) return a.major - b.major;
  if (a.minor !== b.minor) return a.minor - b.minor;
  if (a.patch !== b.patch) return a.patch - b.patch;
  return comparePreReleases(a.preRelease, b.preRelease);
}

function comparePreReleases(a: string, b: string): number {
  if (a === b) return 0;
  if (a === "") return 1;
  if (b === "") return -1;
  const left = a.split(".");
  const right = b.split(".");
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const order = compareIdentifiers(left[i] ?? "", right[i] ?? "");
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

function compareIdentifiers(a: string, b: string): number {
  const aNumeric = /^\d+$/.test(a);
  const bNumeric = /^\d+$/.test(b);
  if (aNumeric && bNumeric) return Number(a) - Number(b);
  if (aNumeric !== bNumeric) return aNumeric ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

export function formatVersion(version: SemanticVersion): string {
  const suffix = version.preRelease === "" ? "" : `-${version.preRelease}`;
  return `${version.major}.${version.minor}.${version.patch}${suffix}`;
}

/** The cluster version that a server version allows: patch level dropped, "3.6.14" gives 3.6.0. */
export function majorMinor(version: SemanticVersion): SemanticVersion {
  return { major: version.major, minor: version.minor, patch: 0, preRelease: "" };
}
