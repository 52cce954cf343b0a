/** The entries of a db or snapshot file as lines for people. */
import { Role, User } from "../../api/gen/auth.ts";
import { KeyValue } from "../../api/gen/kv.ts";
import { Lease } from "../../api/gen/lease.ts";
import { AlarmMember } from "../../api/gen/rpc.ts";
import type { MessageType } from "../../api/message-type.ts";
import type { Bucket } from "../../backend/index.ts";
import { EMPTY_BYTES, utf8FromBytes } from "../../base/bytes.ts";
import { DecodeError } from "../../base/wire.ts";
import { isTombstone, mainOf, subOf } from "../../base/revision-key.ts";
import { withDb } from "./db-access.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";
import { describeMessage } from "./describe-message.ts";
import { showBytes } from "./show-bytes.ts";

export interface DbFilter {
  /** Names of buckets; empty: all. */
  readonly buckets: readonly string[];
  /** Of the key bucket: keys with this beginning. */
  readonly prefix: string;
  /** Of the key bucket: first and last revision. */
  readonly fromRevision: number;
  readonly toRevision: number;
  /** At most so many lines; 0: all. */
  readonly limit: number;
  /** Whether the hashes of passwords are shown. */
  readonly showsHashes: boolean;
}

const CODECS: ReadonlyMap<string, MessageType<never>> = new Map<string, MessageType<never>>([
  ["key", KeyValue as MessageType<never>],
  ["lease", Lease as MessageType<never>],
  ["authUsers", User as MessageType<never>],
  ["authRoles", Role as MessageType<never>],
]);

/** `path` is a data directory, a db or a snapshot file. Gives each line to `print`. */
export async function dumpDb(
  deps: UtilityDeps,
  path: string,
  filter: DbFilter,
  print: (line: string) => void,
): Promise<void> {
  await withDb(deps, findDb(deps, path), async (db) => {
    const all = db.buckets();
    for (const name of filter.buckets) {
      if (!all.some((bucket) => bucket.name === name)) {
        const known = all.map((bucket) => bucket.name).join(", ");
        throw new UtilityError(`there is no bucket ${JSON.stringify(name)}; there are ${known}`);
      }
    }
    let lines = 0;
    const isFull = (): boolean => filter.limit > 0 && lines >= filter.limit;
    for (const bucket of all) {
      if (isFull()) return;
      if (filter.buckets.length > 0 && !filter.buckets.includes(bucket.name)) continue;
      db.scan(bucket, EMPTY_BYTES, undefined, (key, value) => {
        const line = describe(bucket, key, value, filter);
        if (line === undefined) return true;
        print(`${bucket.name}\t${line}`);
        lines++;
        return !isFull();
      });
    }
  });
}

function findDb({ disk }: UtilityDeps, path: string): string {
  const found = disk.stat(path);
  if (found?.isDirectory !== true) return path;
  const inside = disk.join(path, "member", "snap", "db");
  return disk.stat(inside) === undefined ? disk.join(path, "db") : inside;
}

function describe(
  bucket: Bucket,
  key: Uint8Array,
  value: Uint8Array,
  filter: DbFilter,
): string | undefined {
  try {
    if (bucket.name === "key") return describeRecord(key, value, filter);
    if (bucket.name === "alarm") return describeMessage(AlarmMember, AlarmMember.decode(key));
    if (bucket.name === "meta") return `${utf8FromBytes(key)}\t${describeMeta(key, value)}`;
    if (bucket.name === "auth") return `${utf8FromBytes(key)}\t${describeAuth(key, value)}`;
    return `${showBytes(key)}\t${describeValue(bucket, value, filter.showsHashes)}`;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const shown =
      bucket.name === "authUsers" && !filter.showsHashes ? "(not shown)" : showBytes(value);
    return `${showBytes(key)}\t${shown}\tcannot be decoded: ${error.message}`;
  }
}

function describeRecord(
  bucketKey: Uint8Array,
  value: Uint8Array,
  filter: DbFilter,
): string | undefined {
  // A damaged key of another length is shown whatever is asked for.
  if (bucketKey.length < 17) return `${showBytes(bucketKey)}\t${showBytes(value)}`;
  const main = mainOf(bucketKey);
  if (main < filter.fromRevision || main > filter.toRevision) return undefined;
  const record = KeyValue.decode(value);
  if (!Buffer.from(record.key).toString("latin1").startsWith(filter.prefix)) return undefined;
  const kind = isTombstone(bucketKey) ? "delete" : "put";
  return `${main}/${subOf(bucketKey)}\t${kind}\t${describeMessage(KeyValue, record)}`;
}

function describeMeta(key: Uint8Array, value: Uint8Array): string {
  switch (utf8FromBytes(key)) {
    case "consistent_index":
    case "term":
      return value.length === 8 ? String(Buffer.from(value).readBigUInt64BE(0)) : showBytes(value);
    case "scheduledCompactRev":
    case "finishedCompactRev":
      return value.length >= 17 ? `${mainOf(value)}/${subOf(value)}` : showBytes(value);
    default:
      return utf8FromBytes(value);
  }
}

/** Whether authentication is on, and the revision of users. */
function describeAuth(key: Uint8Array, value: Uint8Array): string {
  switch (utf8FromBytes(key)) {
    case "authEnabled":
      if (value.length === 1 && (value[0] === 0 || value[0] === 1)) return String(value[0] === 1);
      return showBytes(value);
    case "authRevision":
      return value.length === 8 ? String(Buffer.from(value).readBigUInt64BE(0)) : showBytes(value);
    default:
      return showBytes(value);
  }
}

function describeValue(bucket: Bucket, value: Uint8Array, showsHashes: boolean): string {
  const codec = CODECS.get(bucket.name);
  if (codec !== undefined) return describeMessage(codec, codec.decode(value), showsHashes);
  return showBytes(value, value.length);
}
