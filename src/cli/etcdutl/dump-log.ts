/** The records of a log as lines for people. */
import { Metadata, Request } from "../../api/gen/etcdserver.ts";
import { ConfChange, ConfChangeType, Entry, EntryType, HardState } from "../../api/gen/raft.ts";
import { InternalRaftRequest } from "../../api/gen/raft-internal.ts";
import { Snapshot } from "../../api/gen/wal.ts";
import { utf8FromBytes } from "../../base/bytes.ts";
import { formatID } from "../../base/ids.ts";
import { DecodeError } from "../../base/wire.ts";
import { inspectLog, type LogFinding, RecordType } from "../../wal/index.ts";
import { type UtilityDeps, UtilityError } from "./deps.ts";
import { describeMessage } from "./describe-message.ts";

export interface LogFilter {
  /** First and last entry; other records are always shown. */
  readonly fromIndex: number;
  readonly toIndex: number;
  /** Kinds of records, such as "entry"; empty: all. */
  readonly kinds: readonly string[];
  /** At most so many lines; 0: all. */
  readonly limit: number;
  /** Whether the hashes of passwords are shown. */
  readonly showsHashes: boolean;
}

/** Kinds that a filter may name. */
export const RECORD_KINDS: readonly string[] = ["metadata", "entry", "state", "crc", "snapshot"];

/**
 * `path` is a directory of a log, a member's data directory, or one segment. Damage is a line as
 * well. Throws `UtilityError` when there is no log.
 */
export function* dumpLog(
  deps: UtilityDeps,
  path: string,
  filter: LogFilter,
): Generator<string, void> {
  const { directory, name } = findLog(deps, path);
  let lines = 0;
  for (const finding of inspectLog(deps, directory, (each) => name === "" || each === name)) {
    const line = describe(finding, filter);
    if (line === undefined) continue;
    if (filter.limit > 0 && ++lines > filter.limit) return;
    yield line;
  }
}

function findLog({ disk }: UtilityDeps, path: string): { directory: string; name: string } {
  const found = disk.stat(path);
  if (found === undefined) throw new UtilityError(`stat ${path}: no such file or directory`);
  if (!found.isDirectory) return { directory: disk.join(path, ".."), name: found.name };
  const inside = disk.join(path, "member", "wal");
  return { directory: disk.stat(inside) === undefined ? path : inside, name: "" };
}

function describe(finding: LogFinding, filter: LogFilter): string | undefined {
  switch (finding.kind) {
    case "segment":
      return `# ${finding.file}`;
    case "damage":
    case "torn":
      return `${finding.place.offset}\t${finding.kind}\t${finding.reason}`;
    case "record": {
      const kind = kindOf(finding.type);
      if (filter.kinds.length > 0 && !filter.kinds.includes(kind)) return undefined;
      const text = tryDescribe(finding.type, finding.data, finding.crc, filter);
      return text === undefined ? undefined : `${finding.place.offset}\t${kind}\t${text}`;
    }
  }
}

function kindOf(type: number): string {
  const name = Object.entries(RecordType).find(([, value]) => value === type)?.[0];
  return name ?? `type ${type}`;
}

function tryDescribe(
  type: number,
  data: Uint8Array,
  crc: number,
  filter: LogFilter,
): string | undefined {
  try {
    return describeRecord(type, data, crc, filter);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return `cannot be decoded: ${error.message}`;
  }
}

function describeRecord(
  type: number,
  data: Uint8Array,
  crc: number,
  filter: LogFilter,
): string | undefined {
  switch (type) {
    case RecordType.metadata: {
      const { NodeID, ClusterID } = Metadata.decode(data);
      return `member=${formatID(NodeID)} cluster=${formatID(ClusterID)}`;
    }
    case RecordType.entry: {
      const entry = Entry.decode(data);
      if (entry.index < filter.fromIndex || entry.index > filter.toIndex) return undefined;
      return `index=${entry.index} term=${entry.term} ${describeEntry(entry, filter.showsHashes)}`;
    }
    case RecordType.state: {
      const { term, vote, commit } = HardState.decode(data);
      return `term=${term} vote=${formatID(vote)} commit=${commit}`;
    }
    case RecordType.snapshot: {
      const { index, term, confState } = Snapshot.decode(data);
      const voters = (confState?.voters ?? []).map(formatID).join(",");
      return `index=${index} term=${term} voters=${voters}`;
    }
    default:
      return `crc=${crc.toString(16).padStart(8, "0")}`;
  }
}

function describeEntry({ type, data }: Entry, showsHashes: boolean): string {
  if (type === EntryType.EntryConfChange) {
    const change = ConfChange.decode(data);
    const kind = Object.entries(ConfChangeType).find(([, value]) => value === change.type)?.[0];
    const context = utf8FromBytes(change.context);
    return `${kind ?? change.type} member=${formatID(change.nodeId)} ${context}`;
  }
  if (type === EntryType.EntryConfChangeV2) return `ConfChangeV2 ${data.length} bytes`;
  if (data.length === 0) return "empty";
  try {
    return describeMessage(InternalRaftRequest, InternalRaftRequest.decode(data), showsHashes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const { Method, Path, Val } = Request.decode(data);
    return `v2 ${Method} ${Path} ${JSON.stringify(Val)}`;
  }
}
