/**
 * Joining: the members that a configuration names are those that the running cluster lists, and
 * have the ids that it gave them.
 */
import { formatID, type MemberID } from "../base/ids.ts";
import { urlsMismatch } from "./initial-cluster.ts";
import type { Member } from "./member.ts";

export type AssignedIDs =
  | { readonly problem: undefined; readonly members: readonly Member[] }
  /** In etcd's words. */
  | { readonly problem: string; readonly members?: undefined };

/** Members belong together when they have the same peer URLs, in any order. */
export function assignMemberIDs(
  configured: readonly Member[],
  running: readonly Member[],
): AssignedIDs {
  if (configured.length !== running.length) return { problem: "member count is unequal" };
  const ids = new Map<Member, MemberID>();
  for (const member of running) {
    const match = configured.find((candidate) => sameURLs(candidate, member));
    if (match === undefined) {
      const urls = member.peerURLs.join(" ");
      const last = sortedURLs(configured.at(-1));
      return {
        problem:
          `PeerURLs: no match found for existing member (${formatID(member.id)}, [${urls}]), ` +
          `last resolver error (${urlsMismatch(sortedURLs(member), last)})`,
      };
    }
    ids.set(match, member.id);
  }
  return {
    problem: undefined,
    members: configured.map((member) => ({ ...member, id: ids.get(member) ?? member.id })),
  };
}

function sameURLs(a: Member, b: Member): boolean {
  return sortedURLs(a).join() === sortedURLs(b).join();
}

function sortedURLs(member: Member | undefined): string[] {
  return [...(member?.peerURLs ?? [])].sort();
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
