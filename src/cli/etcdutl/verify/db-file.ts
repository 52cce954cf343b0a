/** Verifies a db file: its pages, then what its buckets hold. Needs the file's lock. */
import {
  BackendCorruptError,
  type BoltBackend,
  KEY_BUCKET,
  META_BUCKET,
  checkBolt,
  openBackend,
  readAppliedTerm,
  readConsistentIndex,
} from "../../../backend/index.ts";
import { EMPTY_BYTES } from "../../../base/bytes.ts";
import type { Index, Term } from "../../../base/ids.ts";
import type { DiskFile } from "../../../env/disk.ts";
import { type CompactMarks, readCompactMarks } from "../../../mvcc/index.ts";
import { hashKeyValues } from "../hash-kv.ts";
import type { UtilityDeps } from "../deps.ts";
import { HistoryChecker } from "./history-checker.ts";
import type { VerifyReport } from "./report.ts";
import { verifyAttachments, verifySmallBuckets } from "./small-buckets.ts";

/** How far the db has applied the log. */
export interface AppliedPoint {
  readonly index: Index;
  readonly term: Term;
}

/** Undefined when the db cannot be read that far. */
export async function verifyDb(
  deps: UtilityDeps,
  file: DiskFile,
  report: VerifyReport,
): Promise<AppliedPoint | undefined> {
  const { path } = file;
  const { errors, warnings, pages, freePages, txid, keys } = await checkBolt(file);
  for (const error of errors) addPageProblem(report.damage.bind(report), path, error);
  for (const warning of warnings) addPageProblem(report.warn.bind(report), path, warning);
  report.fact(path, `${pages} pages, ${freePages} of them free, ${keys} entries, tx ${txid}`);
  try {
    const db = await openBackend(deps, path, { readOnly: true });
    try {
      return await verifyContent(deps, path, db, report);
    } finally {
      await db.close();
    }
  } catch (error) {
    if (!(error instanceof BackendCorruptError)) throw error;
    // Usually known from the pages already.
    if (errors.length === 0) {
      report.damage(path, error.pageId < 0 ? "" : `page ${error.pageId}`, error.reason);
    }
    return undefined;
  }
}

async function verifyContent(
  deps: UtilityDeps,
  path: string,
  db: BoltBackend,
  report: VerifyReport,
): Promise<AppliedPoint> {
  const isDamaged = !report.isSound;
  verifySmallBuckets(path, db, report);
  const marks = readMarks(db, path, report);
  const history = new HistoryChecker(path, marks, report);
  let bytes = 0;
  db.scan(KEY_BUCKET, EMPTY_BYTES, undefined, (key, value) => {
    history.record(key, value);
    bytes += key.length + value.length;
    deps.progress("verifying records", bytes, db.sizeInUseBytes);
    return true;
  });
  verifyAttachments(path, db, history.attachedLeases(), report);
  const { records, liveKeys, lastRevision } = history;
  report.fact(path, `revision ${lastRevision}, ${records} records, ${liveKeys} keys`);
  const index = readConsistentIndex(db);
  const term = readAppliedTerm(db);
  report.fact(path, `applied up to entry ${index}${term === 0 ? "" : ` of term ${term}`}`);
  if (!isDamaged && report.isSound) addHash(db, path, report);
  return { index, term };
}

/** For comparison with other members. */
function addHash(db: BoltBackend, path: string, report: VerifyReport): void {
  const { hash, revision, compactRevision } = hashKeyValues(db, 0);
  const text = `hash ${hash} at revision ${revision}, compacted at ${compactRevision}`;
  report.fact(path, text);
}

function readMarks(db: BoltBackend, path: string, report: VerifyReport): CompactMarks {
  try {
    const marks = readCompactMarks(db);
    if ((marks.finished ?? 0) > (marks.scheduled ?? 0)) {
      const what = `compaction ${marks.finished} is finished, but ${marks.scheduled} is the last one`;
      report.damage(path, `bucket ${META_BUCKET.name}`, what);
    }
    return marks;
  } catch {
    // The entry at fault has been named.
    return { scheduled: undefined, finished: undefined };
  }
}

function addPageProblem(
  add: (file: string, where: string, what: string) => void,
  path: string,
  text: string,
): void {
  const match = /^(?:db file .*?: )?(?:page (\d+)(?: is bad)?: )?(.*)$/s.exec(text);
  add(path, match?.[1] === undefined ? "" : `page ${match[1]}`, match?.[2] ?? text);
}
