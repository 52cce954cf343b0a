/**
 * The rules of the key bucket: revisions ascend without gaps behind the last compaction, each
 * record decodes and belongs to its revision, and each key's create revision and version follow
 * from the record before. Fed with records in order.
 */
import type { LeaseID, Revision } from "../../../base/ids.ts";
import { DecodeError } from "../../../base/wire.ts";
import { type CompactMarks, KeyValueView } from "../../../mvcc/index.ts";
import { checkRevisionKey, isTombstone, mainOf, subOf } from "../../../base/revision-key.ts";
import { showBytes } from "../show-bytes.ts";
import type { VerifyReport } from "./report.ts";

/** A key after its last record. `version` 0: deleted. */
interface KeyState {
  readonly createRevision: Revision;
  readonly version: number;
  readonly lease: LeaseID;
}

/** Of a store without writes; the first one makes revision 2. */
const EMPTY_REVISION = 1;

export class HistoryChecker {
  readonly #file: string;
  readonly #report: VerifyReport;
  /** Behind it the history is complete. */
  readonly #compacted: Revision;
  readonly #keys = new Map<string, KeyState>();
  readonly #view = new KeyValueView();
  #where = "";
  #main: Revision = EMPTY_REVISION;
  #sub = -1;
  records = 0;
  liveKeys = 0;

  constructor(file: string, marks: CompactMarks, report: VerifyReport) {
    this.#file = file;
    this.#report = report;
    this.#compacted = Math.max(marks.scheduled ?? 0, marks.finished ?? 0);
  }

  /** The newest revision that has a record; 1 without any. */
  get lastRevision(): Revision {
    return this.#main;
  }

  record(bucketKey: Uint8Array, value: Uint8Array): void {
    this.records++;
    this.#where = `bucket key, key ${showBytes(bucketKey)}`;
    let main: Revision;
    let sub: number;
    try {
      checkRevisionKey(bucketKey);
      main = mainOf(bucketKey);
      sub = subOf(bucketKey);
    } catch {
      this.#damage("it is no revision");
      return;
    }
    this.#where = `bucket key, revision ${main}/${sub}`;
    this.#checkOrder(main, sub);
    try {
      this.#view.load(value);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#damage(`the record cannot be decoded: ${error.message}`);
      return;
    }
    if (isTombstone(bucketKey)) this.#checkDeletion(main);
    else if (value.length > 0) this.#checkPut(main);
  }

  /** Leases that live keys name, each with one of its keys. */
  attachedLeases(): Map<LeaseID, string> {
    const leases = new Map<LeaseID, string>();
    for (const [key, { version, lease }] of this.#keys) {
      if (version > 0 && lease !== 0n) leases.set(lease, key);
    }
    return leases;
  }

  /** Records at and before the compact revision may be gone, none behind it. */
  #checkOrder(main: Revision, sub: number): void {
    const isNext = main === Math.max(this.#main, this.#compacted) + 1 && sub === 0;
    const isSame = main === this.#main && sub === this.#sub + 1;
    if (main > this.#compacted && !isNext && !isSame) {
      const before = this.records === 1 ? "nothing" : `${this.#main}/${this.#sub}`;
      this.#damage(`it follows ${before}: records between them are missing`);
    }
    this.#main = main;
    this.#sub = sub;
  }

  #checkPut(main: Revision): void {
    const { key, createRevision, modRevision, version, lease } = this.#view;
    const what = `key ${showBytes(Buffer.from(key, "latin1"))}`;
    if (key === "") this.#damage("the record has no key");
    if (modRevision !== main) this.#damage(`${what} says mod revision ${modRevision}`);
    if (version < 1) this.#damage(`${what} has version ${version}`);
    if (createRevision < 1 || createRevision > main) {
      this.#damage(`${what} has create revision ${createRevision}`);
    }
    const before = this.#keys.get(key);
    const isLive = before !== undefined && before.version > 0;
    if (isLive) {
      if (version !== before.version + 1 || createRevision !== before.createRevision) {
        this.#damage(
          `${what} has version ${version} of creation ${createRevision}, ` +
            `before it version ${before.version} of ${before.createRevision}`,
        );
      }
    } else if (version === 1 && createRevision !== main) {
      this.#damage(`${what} is new but says create revision ${createRevision}`);
    } else if (version > 1 && (before !== undefined || main > this.#compacted)) {
      this.#damage(`${what} has version ${version}, but nothing is before it`);
    }
    if (!isLive) this.liveKeys++;
    this.#keys.set(key, { createRevision, version, lease });
  }

  #checkDeletion(main: Revision): void {
    const { key } = this.#view;
    const before = this.#keys.get(key);
    const isLive = before !== undefined && before.version > 0;
    if (!isLive && (before !== undefined || main > this.#compacted)) {
      const what = showBytes(Buffer.from(key, "latin1"));
      this.#damage(`key ${what} is deleted although it does not exist`);
    }
    if (isLive) this.liveKeys--;
    this.#keys.set(key, { createRevision: 0, version: 0, lease: 0n });
  }

  #damage(what: string): void {
    this.#report.damage(this.#file, this.#where, what);
  }
}
