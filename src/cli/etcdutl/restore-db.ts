/** Makes a snapshot's db the db of a member of a new cluster: other members, and the log's beginning. */
import type { ConfState } from "../../api/gen/raft.ts";
import {
  type Backend,
  type Bucket,
  CLUSTER_BUCKET,
  KEY_BUCKET,
  MEMBERS_BUCKET,
  MEMBERS_REMOVED_BUCKET,
  META_BUCKET,
  writeConfState,
  writeConsistentIndex,
} from "../../backend/index.ts";
import { bytesFromUtf8, EMPTY_BYTES } from "../../base/bytes.ts";
import { formatID, type Index, type Revision, type Term } from "../../base/ids.ts";
import { type Member, memberToJSON } from "../../membership/index.ts";
import { SCHEDULED_COMPACT_KEY } from "../../mvcc/index.ts";
import { encodeRevisionKey, mainOf } from "../../base/revision-key.ts";
import { withWritableDb } from "./db-access.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";

export interface DbChanges {
  readonly members: readonly Member[];
  readonly confState: ConfState;
  /** The last entry of the new log; the db counts as having applied it. */
  readonly index: Index;
  readonly term: Term;
  /** See `RestoreOptions`. */
  readonly bumpRevision: number;
}

const NEEDED_BUCKETS = [
  KEY_BUCKET,
  META_BUCKET,
  CLUSTER_BUCKET,
  MEMBERS_BUCKET,
  MEMBERS_REMOVED_BUCKET,
];

export async function prepareDb(
  deps: UtilityDeps,
  path: string,
  changes: DbChanges,
): Promise<void> {
  await withWritableDb(deps, path, NEEDED_BUCKETS, async (db) => {
    clearBucket(db, MEMBERS_BUCKET);
    clearBucket(db, MEMBERS_REMOVED_BUCKET);
    for (const member of changes.members) {
      const key = bytesFromUtf8(formatID(member.id));
      db.put(MEMBERS_BUCKET, key, bytesFromUtf8(memberToJSON(member)));
    }
    if (changes.bumpRevision > 0) bumpRevision(deps, db, changes.bumpRevision);
    writeConfState(db, changes.confState);
    writeConsistentIndex(db, changes.index, changes.term);
    await db.commit();
  });
}

/** Removes every entry. */
export function clearBucket(db: Backend, bucket: Bucket): void {
  const keys: Uint8Array[] = [];
  db.scan(bucket, EMPTY_BYTES, undefined, (key) => {
    keys.push(key);
    return true;
  });
  for (const key of keys) db.delete(bucket, key);
}

/**
 * Clients that have seen revisions after the snapshot must not see them again with other content:
 * an empty record takes the revision up, and all before it is to be compacted.
 */
function bumpRevision({ logger }: UtilityDeps, db: Backend, amount: number): void {
  let latest: Revision = 0;
  db.scan(KEY_BUCKET, EMPTY_BYTES, undefined, (key) => {
    latest = mainOf(key);
    return true;
  });
  const bumped = latest + amount;
  if (!Number.isSafeInteger(bumped)) {
    throw new UtilityError(`--bump-revision ${amount} is too large for revision ${latest}`);
  }
  logger.info("bumping latest revision", {
    "latest-revision": latest,
    "bump-amount": amount,
    "new-latest-revision": bumped,
  });
  const key = encodeRevisionKey(bumped, 0, false);
  db.put(KEY_BUCKET, key, EMPTY_BYTES);
  logger.info("marking revision compacted", { revision: bumped });
  db.put(META_BUCKET, SCHEDULED_COMPACT_KEY, encodeRevisionKey(bumped, 0, false));
}
