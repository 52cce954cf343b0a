/** Do the members hold the same data? */

export type MemberHash =
  | {
      readonly kind: "told";
      readonly name: string;
      readonly hash: number;
      /** A hash is of what a compaction has left. */
      readonly compactRevision: number;
    }
  | { readonly kind: "failed"; readonly name: string; readonly reason: string };

export interface Verdict {
  readonly kind: "success" | "warning" | "error";
  readonly title: string;
}

export function hashVerdict(hashes: readonly MemberHash[], revision: number): Verdict {
  const told = hashes.flatMap((each) => (each.kind === "told" ? [each] : []));
  const missing = hashes.length - told.length;
  const compactions = new Set(told.map(({ compactRevision }) => compactRevision));
  if (compactions.size > 1) {
    const title = "The members have compacted differently far; compare again in a moment.";
    return { kind: "warning", title };
  }
  if (new Set(told.map(({ hash }) => hash)).size > 1) {
    return { kind: "error", title: "The members hold different data: one of them is damaged." };
  }
  if (missing > 0) {
    const title = `${told.length} of ${hashes.length} members told a hash, and they agree.`;
    return { kind: "warning", title };
  }
  const title =
    told.length === 1
      ? "There is one member, so nothing to compare it with."
      : `All ${told.length} members hold the same data up to revision ${revision}.`;
  return { kind: "success", title };
}
