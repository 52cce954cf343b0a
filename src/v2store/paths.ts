/**
 * Where things lie in the v2 store: the membership below "/0", keys of users below "/1", users and
 * roles below "/2".
 */
import { formatID, type MemberID } from "../base/ids.ts";

export const CLUSTER_DIRECTORY = "0";
export const PERMISSIONS_DIRECTORY = "2";

export const CLUSTER_ROOT = "/0";
export const KEYS_ROOT = "/1";
/** Users, roles, and whether they are asked for. */
export const PERMISSIONS_ROOT = "/2";

export const VERSION_PATH = "/0/version";
export const MEMBERS_PATH = "/0/members";

export function memberDirectory(id: MemberID): string {
  return `/0/members/${formatID(id)}`;
}

/** Name and client addresses, which a member tells of itself. */
export function attributesPath(id: MemberID): string {
  return `${memberDirectory(id)}/attributes`;
}

/** What the cluster decides about a member: its peer addresses, and whether it votes. */
export function raftAttributesPath(id: MemberID): string {
  return `${memberDirectory(id)}/raftAttributes`;
}

export function removedMemberPath(id: MemberID): string {
  return `/0/removed_members/${formatID(id)}`;
}
