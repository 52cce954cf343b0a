/**
 * Joining: the members that a configuration names are those that the running cluster lists, and
 * have the ids that it gave them.
 */
import { formatID, type MemberID } from "../../base/ids.ts";
import { type CompareURLs, type Member, sameTexts } from "../../membership/index.ts";

export type AssignedIDs =
  | { readonly problem: undefined; readonly members: readonly Member[] }
  /** In etcd's words. */
  | { readonly problem: string; readonly members?: undefined };

/** Members belong together when their peer URLs mean the same addresses, in any order. */
export async function assignMemberIDs(
  configured: readonly Member[],
  running: readonly Member[],
  compareURLs: CompareURLs,
): Promise<AssignedIDs> {
  if (configured.length !== running.length) return { problem: "member count is unequal" };
  const ids = new Map<Member, MemberID>();
  const unlike: Member[] = [];
  for (const member of running) {
    const same = configured.find(({ peerURLs }) => sameTexts(peerURLs, member.peerURLs));
    if (same === undefined) unlike.push(member);
    else ids.set(same, member.id);
  }
  // Names that are the same on both sides need not resolve.
  const free = configured.filter((member) => !ids.has(member));
  for (const member of unlike) {
    const match = await findMatch(member, free, compareURLs);
    if (typeof match === "string") {
      const urls = member.peerURLs.join(" ");
      return {
        problem:
          `PeerURLs: no match found for existing member (${formatID(member.id)}, [${urls}]), ` +
          `last resolver error (${match})`,
      };
    }
    ids.set(match, member.id);
  }
  return {
    problem: undefined,
    members: configured.map((member) => ({ ...member, id: ids.get(member) ?? member.id })),
  };
}

/** The candidate with the same addresses, or how the last one differs. */
async function findMatch(
  { peerURLs }: Member,
  candidates: readonly Member[],
  compareURLs: CompareURLs,
): Promise<Member | string> {
  let last = "";
  for (const candidate of candidates) {
    const difference = await compareURLs(peerURLs, candidate.peerURLs);
    if (difference === undefined) return candidate;
    last = difference;
  }
  return last;
}

/** As Go prints members in an error: `[&{ID:… RaftAttributes:{…} Attributes:{…}}]`. */
export function formatMembers(members: readonly Member[]): string {
  const texts = members.map(
    ({ id, peerURLs, isLearner, name, clientURLs }) =>
      `&{ID:${formatID(id)} RaftAttributes:{PeerURLs:[${peerURLs.join(" ")}] ` +
      `IsLearner:${isLearner}} Attributes:{Name:${name} ClientURLs:[${clientURLs.join(" ")}]}}`,
  );
  return `[${texts.join(" ")}]`;
}
