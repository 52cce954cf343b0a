/** Verifies what stands in the small buckets of a db: meta, leases, members, users, roles, alarms. */
import { Role, User } from "../../../api/gen/auth.ts";
import { Lease } from "../../../api/gen/lease.ts";
import { AlarmMember } from "../../../api/gen/rpc.ts";
import { parseVersion } from "../../../api/version.ts";
import {
  ALARM_BUCKET,
  AUTH_BUCKET,
  AUTH_ROLES_BUCKET,
  AUTH_USERS_BUCKET,
  type Bucket,
  CLUSTER_BUCKET,
  LEASE_BUCKET,
  MEMBERS_BUCKET,
  MEMBERS_REMOVED_BUCKET,
  META_BUCKET,
  type Reader,
} from "../../../backend/index.ts";
import { EMPTY_BYTES, utf8FromBytes, viewAsBuffer } from "../../../base/bytes.ts";
import { formatID, type LeaseID } from "../../../base/ids.ts";
import { DecodeError } from "../../../base/wire.ts";
import { memberFromJSON } from "../../../membership/index.ts";
import { checkRevisionKey } from "../../../base/revision-key.ts";
import { showBytes } from "../show-bytes.ts";
import type { VerifyReport } from "./report.ts";

/** What is wrong with an entry, or undefined. Decoding errors are caught by the caller. */
type EntryRule = (key: Uint8Array, value: Uint8Array) => string | undefined;

const RULES: readonly (readonly [Bucket, EntryRule])[] = [
  [META_BUCKET, metaProblem],
  [LEASE_BUCKET, leaseProblem],
  [ALARM_BUCKET, alarmProblem],
  [CLUSTER_BUCKET, clusterProblem],
  [MEMBERS_BUCKET, memberProblem],
  [MEMBERS_REMOVED_BUCKET, removedProblem],
  [AUTH_BUCKET, authProblem],
  [AUTH_USERS_BUCKET, userProblem],
  [AUTH_ROLES_BUCKET, roleProblem],
];

export function verifySmallBuckets(file: string, db: Reader, report: VerifyReport): void {
  for (const [bucket, rule] of RULES) {
    db.scan(bucket, EMPTY_BYTES, undefined, (key, value) => {
      const problem = tryRule(rule, key, value);
      if (problem !== undefined) {
        report.damage(file, `bucket ${bucket.name}, key ${showBytes(key)}`, problem);
      }
      return true;
    });
  }
  db.scan(MEMBERS_BUCKET, EMPTY_BYTES, undefined, (key) => {
    if (db.get(MEMBERS_REMOVED_BUCKET, key) !== undefined) {
      report.damage(file, `bucket members, key ${showBytes(key)}`, "it is also a removed member");
    }
    return true;
  });
}

/** Keys must not name leases that do not exist. */
export function verifyAttachments(
  file: string,
  db: Reader,
  attached: ReadonlyMap<LeaseID, string>,
  report: VerifyReport,
): void {
  for (const [id, key] of attached) {
    const leaseKey = Buffer.alloc(8);
    leaseKey.writeBigInt64BE(BigInt.asIntN(64, id));
    if (db.get(LEASE_BUCKET, leaseKey) !== undefined) continue;
    const what = `lease ${formatID(id)} of key ${showBytes(Buffer.from(key, "latin1"))} does not exist`;
    report.warn(file, "bucket lease", what);
  }
}

function tryRule(rule: EntryRule, key: Uint8Array, value: Uint8Array): string | undefined {
  try {
    return rule(key, value);
  } catch (error) {
    if (error instanceof DecodeError) return `it cannot be decoded: ${error.message}`;
    if (error instanceof SyntaxError) return `it is not the JSON expected: ${error.message}`;
    throw error;
  }
}

function metaProblem(key: Uint8Array, value: Uint8Array): string | undefined {
  switch (utf8FromBytes(key)) {
    case "consistent_index":
    case "term":
      return value.length === 8 ? undefined : `${value.length} bytes instead of 8`;
    case "scheduledCompactRev":
    case "finishedCompactRev":
      return isRevision(value) ? undefined : `${showBytes(value)} is no revision`;
    case "confState":
      JSON.parse(utf8FromBytes(value));
      return undefined;
    case "storageVersion":
      return versionProblem(value);
    default:
      return "etcd knows no such entry";
  }
}

function isRevision(value: Uint8Array): boolean {
  try {
    checkRevisionKey(value);
    return value.length === 17;
  } catch {
    return false;
  }
}

function versionProblem(value: Uint8Array): string | undefined {
  const isVersion = parseVersion(utf8FromBytes(value)) !== undefined;
  return isVersion ? undefined : `${showBytes(value)} is no version`;
}

function leaseProblem(key: Uint8Array, value: Uint8Array): string | undefined {
  if (key.length !== 8) return `the key has ${key.length} bytes instead of 8`;
  const { ID, TTL } = Lease.decode(value);
  if (BigInt.asIntN(64, ID) !== viewAsBuffer(key).readBigInt64BE(0)) {
    return `it holds lease ${formatID(ID)}`;
  }
  return TTL > 0 ? undefined : `it lives for ${TTL} seconds`;
}

function alarmProblem(key: Uint8Array): string | undefined {
  AlarmMember.decode(key);
  return undefined;
}

function clusterProblem(key: Uint8Array, value: Uint8Array): string | undefined {
  if (utf8FromBytes(key) === "clusterVersion") return versionProblem(value);
  JSON.parse(utf8FromBytes(value));
  return undefined;
}

function memberProblem(key: Uint8Array, value: Uint8Array): string | undefined {
  const { id } = memberFromJSON(utf8FromBytes(value));
  return formatID(id) === utf8FromBytes(key) ? undefined : `it holds member ${formatID(id)}`;
}

function removedProblem(key: Uint8Array, value: Uint8Array): string | undefined {
  if (!/^[0-9a-f]{1,16}$/.test(utf8FromBytes(key))) return "it is no member id";
  return utf8FromBytes(value) === "removed" ? undefined : `its value is ${showBytes(value)}`;
}

function authProblem(key: Uint8Array, value: Uint8Array): string | undefined {
  const expected = utf8FromBytes(key) === "authEnabled" ? 1 : 8;
  return value.length === expected ? undefined : `${value.length} bytes instead of ${expected}`;
}

function userProblem(key: Uint8Array, value: Uint8Array): string | undefined {
  const name = utf8FromBytes(User.decode(value).name);
  return name === utf8FromBytes(key) ? undefined : `it holds user ${JSON.stringify(name)}`;
}

function roleProblem(key: Uint8Array, value: Uint8Array): string | undefined {
  const name = utf8FromBytes(Role.decode(value).name);
  return name === utf8FromBytes(key) ? undefined : `it holds role ${JSON.stringify(name)}`;
}
