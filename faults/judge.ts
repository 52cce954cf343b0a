/**
 * The verdict on a run after all faults have healed: what clients and watches saw, and whether the
 * members agree with each other.
 */
import { formatID } from "../src/base/ids.ts";
import { checkLinearizable } from "../src/checkers/linearizability.ts";
import { formatViolation } from "../src/checkers/violation.ts";
import { checkWatches, type WatchRecord } from "../src/checkers/watch-history.ts";
import type { Cluster } from "./cluster.ts";
import type { Recorder } from "./recorder.ts";
import type { WatchRecorder } from "./watch-recorder.ts";
import { ALL_KEYS } from "./workload.ts";

const ASK = { timeoutMs: 2000 } as const;

/** Waits until all members have applied the same, and all watches have delivered it. */
export async function settle(
  cluster: Cluster,
  recorder: Recorder,
  watches: readonly WatchRecorder[],
  timeoutMs: number,
): Promise<void> {
  let revision = 0;
  // Proposals of the faults may still be on their way: quiet is two equal looks in a row.
  await cluster.until("all members have the same revision", timeoutMs, async () => {
    const statuses = await cluster.statuses();
    const revisions = new Set(statuses.map((status) => status.revision));
    const [only] = revisions;
    const isQuiet = statuses.length === cluster.members.length && revisions.size === 1;
    const isSame = isQuiet && only === revision;
    revision = only ?? 0;
    return isSame;
  });
  // One last write that every watch must see, and reads of everything by everybody.
  const put = { kind: "put", key: "end", value: "end" } as const;
  await cluster.until("the last write is acknowledged", timeoutMs, async () => {
    const client = cluster.admin(cluster.members[0]);
    const { outcome } = await recorder.run(client, -4, "m0", put, ASK);
    if (outcome.kind === "ok") ({ revision } = outcome);
    return outcome.kind === "ok";
  });
  for (const member of cluster.members) {
    await cluster.until(`${member.name} reads everything`, timeoutMs, async () => {
      const get = { kind: "get", ...ALL_KEYS } as const;
      const client = cluster.admin(member);
      const { outcome } = await recorder.run(client, -4, member.name, get, ASK);
      return outcome.kind === "ok";
    });
  }
  for (const watch of watches) {
    await cluster
      .until(`the watch at ${watch.member} is complete`, timeoutMs, async () => {
        return watch.lastRevision >= revision;
      })
      // Whether something is missing is the checker's to say.
      .catch(() => undefined);
    const last = watch.records.at(-1);
    if (last !== undefined && last.cancelled === undefined) last.completeTo = revision;
  }
}

/** What the members disagree about. */
export async function disagreements(cluster: Cluster): Promise<string[]> {
  const found: string[] = [];
  const statuses = await cluster.statuses();
  const revision = Math.min(...statuses.map((status) => status.revision));
  const describe = (values: ReadonlyMap<string, string>): string =>
    [...values].map(([name, value]) => `${name}: ${value}`).join("; ");
  const compare = (what: string, values: ReadonlyMap<string, string>): void => {
    if (new Set(values.values()).size > 1) found.push(`${what} differ: ${describe(values)}`);
  };
  const hashes = new Map<string, string>();
  const lists = new Map<string, string>();
  const leaders = new Map<string, string>();
  for (const { member, leaderID } of statuses) {
    const client = cluster.admin(member);
    const { hash, compactRevision } = await client.maintenance.hashKV(revision, ASK);
    hashes.set(member.name, `${hash} at ${revision}, compacted at ${compactRevision}`);
    const { members } = await client.cluster.memberList(ASK);
    const names = members.map(({ ID, name, peerURLs }) => `${formatID(ID)} ${name} ${peerURLs}`);
    lists.set(member.name, names.sort().join(", "));
    leaders.set(member.name, leaderID);
  }
  compare("hashes", hashes);
  compare("member lists", lists);
  compare("leaders", leaders);
  return found;
}

export interface HistoryJudgement {
  readonly violations: readonly string[];
  /** Revisions that only writes with unknown outcome explain. */
  readonly unknownHappened: number;
  readonly revisions: number;
  readonly events: number;
}

export function judgeHistory(
  recorder: Recorder,
  records: readonly WatchRecord[],
): HistoryJudgement {
  const seen = records.flatMap(({ responses }) => responses.flatMap(({ events }) => events));
  const hints = new Map(
    seen.map(({ type, key, modRevision, kv }) => [
      `${modRevision}\0${key}`,
      { type, key, kv, revision: modRevision },
    ]),
  );
  const verdict = checkLinearizable(recorder.operations, { hints: hints.values() });
  const counts = { revisions: 0, unknownHappened: 0, events: seen.length };
  if (verdict.kind === "violation") {
    return { ...counts, violations: [formatViolation(verdict.violation)] };
  }
  if (verdict.kind === "gaveUp") {
    const text = `undecided: ${verdict.reason}; suspect ${formatViolation(verdict.suspect)}`;
    return { ...counts, violations: [text] };
  }
  const { writes } = verdict;
  const unknown = writes.filter(({ operation }) => operation.outcome.kind === "unknown");
  const { compactions } = recorder;
  const violations = checkWatches(records, { firstRevision: 1, writes, compactions });
  return {
    ...{ events: seen.length, revisions: writes.length, unknownHappened: unknown.length },
    violations: violations.map(formatViolation),
  };
}
