/**
 * What the meta bucket says of the log: the last entry that the db covers, raft's configuration
 * after it, and the version of the db's layout.
 */
import { bytesFromUtf8, utf8FromBytes, viewAsBuffer } from "../base/bytes.ts";
import type { Index, MemberID, Term } from "../base/ids.ts";
import { type Backend, META_BUCKET, type Reader } from "./types.ts";

const CONSISTENT_INDEX_KEY = bytesFromUtf8("consistent_index");
const TERM_KEY = bytesFromUtf8("term");
const CONF_STATE_KEY = bytesFromUtf8("confState");
const STORAGE_VERSION_KEY = bytesFromUtf8("storageVersion");

/** Raft's configuration, as the log's messages have it. */
export interface StoredConfState {
  readonly voters: readonly MemberID[];
  readonly learners: readonly MemberID[];
  readonly votersOutgoing: readonly MemberID[];
  readonly learnersNext: readonly MemberID[];
  readonly autoLeave: boolean;
}

/** Index of the last entry whose effect is in the db; 0 when there is none. */
export function readConsistentIndex(reader: Reader): Index {
  return readUint64(reader, CONSISTENT_INDEX_KEY);
}

/** Term of that entry; 0 in a db of etcd 3.4 and older. */
export function readAppliedTerm(reader: Reader): Term {
  return readUint64(reader, TERM_KEY);
}

export function writeConsistentIndex(backend: Backend, index: Index, term: Term): void {
  backend.put(META_BUCKET, CONSISTENT_INDEX_KEY, uint64(index));
  backend.put(META_BUCKET, TERM_KEY, uint64(term));
}

export function writeConfState(backend: Backend, confState: StoredConfState): void {
  backend.put(META_BUCKET, CONF_STATE_KEY, bytesFromUtf8(confStateToJSON(confState)));
}

/** Such as "3.6.0"; undefined in a db of etcd 3.5 and older. */
export function readStorageVersion(reader: Reader): string | undefined {
  const value = reader.get(META_BUCKET, STORAGE_VERSION_KEY);
  return value === undefined ? undefined : utf8FromBytes(value);
}

/** Undefined removes it: etcd 3.5 and older know no such key. */
export function writeStorageVersion(backend: Backend, version: string | undefined): void {
  if (version === undefined) backend.delete(META_BUCKET, STORAGE_VERSION_KEY);
  else backend.put(META_BUCKET, STORAGE_VERSION_KEY, bytesFromUtf8(version));
}

function readUint64(reader: Reader, key: Uint8Array): number {
  const value = reader.get(META_BUCKET, key);
  if (value === undefined || value.length !== 8) return 0;
  return Number(viewAsBuffer(value).readBigUInt64BE(0));
}

function uint64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** Go's JSON of the message: ids as bare numbers, empty lists left out, auto_leave always there. */
function confStateToJSON(state: StoredConfState): string {
  const lists: [string, readonly bigint[]][] = [
    ["voters", state.voters],
    ["learners", state.learners],
    ["voters_outgoing", state.votersOutgoing],
    ["learners_next", state.learnersNext],
  ];
  const parts = lists
    .filter(([, ids]) => ids.length > 0)
    .map(([name, ids]) => `"${name}":[${ids.join(",")}]`);
  return `{${[...parts, `"auto_leave":${state.autoLeave}`].join(",")}}`;
}
