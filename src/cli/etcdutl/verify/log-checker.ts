/**
 * The rules that the records of a log keep among each other: heads of segments, one identity,
 * consecutive entries, terms and commits that never go back. Fed with findings in order.
 */
import { Metadata, Request } from "../../../api/gen/etcdserver.ts";
import { ConfChange, ConfChangeV2, Entry, EntryType, HardState } from "../../../api/gen/raft.ts";
import { InternalRaftRequest } from "../../../api/gen/raft-internal.ts";
import { Snapshot } from "../../../api/gen/wal.ts";
import { equalBytes } from "../../../base/bytes.ts";
import type { Index, Term } from "../../../base/ids.ts";
import { DecodeError } from "../../../base/wire.ts";
import { type LogFinding, type LogPlace, RecordType } from "../../../wal/index.ts";
import type { VerifyReport } from "./report.ts";

type LogRecord = Extract<LogFinding, { kind: "record" }>;
type LogSegment = Extract<LogFinding, { kind: "segment" }>;

export class LogChecker {
  readonly #report: VerifyReport;
  metadata: Metadata | undefined;
  hardState: HardState = HardState.create();
  readonly snapshots: Snapshot[] = [];
  segments = 0;
  /** Of the first and last entry, and of a snapshot beyond it; 0 before there is one. */
  firstIndex: Index = 0;
  lastIndex: Index = 0;
  /** Something could not be read, so that what follows need not fit what was before. */
  #hasHole = false;
  #sequence: number | undefined;
  #metadataBytes: Uint8Array | undefined;
  #statePlace: LogPlace | undefined;
  /** Where the entries of a term begin, ascending. */
  readonly #terms: { readonly from: Index; readonly term: Term }[] = [];
  #recordsInSegment = 0;

  constructor(report: VerifyReport) {
    this.#report = report;
  }

  /** The term of an entry that the log holds. */
  termOf(index: Index): Term | undefined {
    if (index < this.firstIndex || index > this.lastIndex) return undefined;
    return this.#terms.findLast(({ from }) => from <= index)?.term;
  }

  apply(finding: LogFinding): void {
    switch (finding.kind) {
      case "segment":
        this.#beginSegment(finding);
        return;
      case "record":
        this.#record(finding);
        return;
      case "damage":
        this.#damage(finding.place, `${finding.reason}; ${finding.lostBytes} bytes are unreadable`);
        this.#hasHole = true;
        return;
      case "torn": {
        const { file, offset } = finding.place;
        const what = `torn end (${finding.reason}), as a crash leaves; a start cuts it off`;
        this.#report.warn(file, `offset ${offset}`, what);
      }
    }
  }

  /** After the last finding. */
  finish(): void {
    const { commit } = this.hardState;
    if (commit > this.lastIndex && this.#statePlace !== undefined && !this.#hasHole) {
      this.#damage(
        this.#statePlace,
        `commit ${commit} is beyond the last entry ${this.lastIndex}: entries are missing`,
      );
    }
  }

  #beginSegment({ file, segment }: LogSegment): void {
    const expected = this.#sequence === undefined ? segment.sequence : this.#sequence + 1;
    if (segment.sequence !== expected) {
      const missing = expected.toString(16).padStart(16, "0");
      this.#report.damage(file, "", `the segment before it, ${missing}-*.wal, is missing`);
      this.#hasHole = true;
    }
    const isFirst = this.#sequence === undefined;
    if (!isFirst && !this.#hasHole && segment.firstIndex !== this.lastIndex + 1) {
      const what = `its name says entry ${segment.firstIndex}, the log goes on at ${this.lastIndex + 1}`;
      this.#report.warn(file, "", what);
    }
    if (isFirst || this.#hasHole) this.lastIndex = Math.max(0, segment.firstIndex - 1);
    this.#hasHole = false;
    this.#sequence = segment.sequence;
    this.#recordsInSegment = 0;
    this.segments++;
  }

  #record(record: LogRecord): void {
    const place = this.#recordsInSegment++;
    if (place === 0 && record.type !== RecordType.crc) {
      this.#damage(record.place, "the segment does not begin with a checksum");
    }
    if (place === 1 && record.type !== RecordType.metadata) {
      this.#damage(record.place, "the segment has no metadata at its head");
    }
    try {
      this.#content(record);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#damage(
        record.place,
        `record of type ${record.type} cannot be decoded: ${error.message}`,
      );
    }
  }

  #content(record: LogRecord): void {
    const { data, place } = record;
    switch (record.type) {
      case RecordType.metadata:
        this.#checkMetadata(data, place);
        return;
      case RecordType.entry:
        this.#checkEntry(Entry.decode(data), place);
        return;
      case RecordType.state:
        this.#checkState(HardState.decode(data), place);
        return;
      case RecordType.snapshot:
        this.#checkSnapshot(Snapshot.decode(data));
        return;
      case RecordType.crc:
        return;
      default:
        this.#damage(place, `unknown record type ${record.type}`);
    }
  }

  #checkMetadata(data: Uint8Array, place: LogPlace): void {
    if (this.#metadataBytes !== undefined && !equalBytes(this.#metadataBytes, data)) {
      this.#damage(place, "its metadata names another member or cluster than the segments before");
    }
    this.#metadataBytes ??= data;
    this.metadata ??= Metadata.decode(data);
  }

  #checkEntry(entry: Entry, place: LogPlace): void {
    const { index, term } = entry;
    if (index < 1 || term < 1) {
      this.#damage(place, `impossible entry with index ${index} and term ${term}`);
      return;
    }
    if (index > this.lastIndex + 1) {
      const missing = index - this.lastIndex - 1;
      this.#damage(place, `entry ${index} follows ${this.lastIndex}: ${missing} are missing`);
    }
    if (index <= this.lastIndex && index <= this.hardState.commit) {
      const { commit } = this.hardState;
      this.#damage(place, `entry ${index} is written again although ${commit} is committed`);
    }
    const before = this.termOf(index - 1);
    if (before !== undefined && term < before) {
      this.#damage(place, `entry ${index} has term ${term}, the one before it ${before}`);
    }
    while ((this.#terms.at(-1)?.from ?? 0) >= index) this.#terms.pop();
    if (this.#terms.at(-1)?.term !== term) this.#terms.push({ from: index, term });
    if (this.firstIndex === 0) this.firstIndex = index;
    this.lastIndex = index;
    const problem = payloadProblem(entry);
    if (problem !== undefined) this.#damage(place, `entry ${index}: ${problem}`);
  }

  #checkState(state: HardState, place: LogPlace): void {
    const before = this.hardState;
    if (state.term < before.term) {
      this.#damage(place, `term ${state.term} after term ${before.term}`);
    }
    if (state.commit < before.commit) {
      this.#damage(place, `commit ${state.commit} after commit ${before.commit}`);
    }
    if (state.term === before.term && before.vote !== 0n && state.vote !== before.vote) {
      this.#damage(place, `a second vote in term ${state.term}`);
    }
    this.hardState = state;
    this.#statePlace = place;
  }

  #checkSnapshot(snapshot: Snapshot): void {
    this.snapshots.push(snapshot);
    if (snapshot.index <= this.lastIndex) return;
    // A snapshot from the leader: the entries up to it were never in this log.
    this.lastIndex = snapshot.index;
    if (this.firstIndex === 0) return;
    this.#terms.push({ from: snapshot.index, term: snapshot.term });
  }

  #damage(place: LogPlace, what: string): void {
    this.#report.damage(place.file, `offset ${place.offset}`, what);
  }
}

/** What is wrong with what an entry carries. */
function payloadProblem({ type, data }: Entry): string | undefined {
  switch (type) {
    case EntryType.EntryNormal:
      return canDecode(InternalRaftRequest, data) || canDecode(Request, data)
        ? undefined
        : "its request cannot be decoded";
    case EntryType.EntryConfChange:
      return canDecode(ConfChange, data) ? undefined : "its conf change cannot be decoded";
    case EntryType.EntryConfChangeV2:
      return canDecode(ConfChangeV2, data) ? undefined : "its conf change cannot be decoded";
    default:
      return `unknown type ${type}`;
  }
}

function canDecode(codec: { decode(bytes: Uint8Array): unknown }, bytes: Uint8Array): boolean {
  try {
    codec.decode(bytes);
    return true;
  } catch (error) {
    if (error instanceof DecodeError) return false;
    throw error;
  }
}
