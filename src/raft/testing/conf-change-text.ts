/** Reads `v1 l2 r3 u4`: add voter, add learner, remove, update. */
import { type ConfChangeSingle, ConfChangeType } from "../../api/gen/raft.ts";

const TYPES: ReadonlyMap<string, number> = new Map([
  ["v", ConfChangeType.ConfChangeAddNode],
  ["l", ConfChangeType.ConfChangeAddLearnerNode],
  ["r", ConfChangeType.ConfChangeRemoveNode],
  ["u", ConfChangeType.ConfChangeUpdateNode],
]);

/** The changes, or a text that says what is wrong. */
export function parseConfChanges(text: string): ConfChangeSingle[] | string {
  const changes: ConfChangeSingle[] = [];
  for (const token of text.split(" ")) {
    if (token === "") continue;
    const type = TYPES.get(token.charAt(0));
    if (token.length < 2) return `unknown token ${token}`;
    if (type === undefined) return `unknown input: ${token}`;
    const id = token.slice(1);
    if (!/^\d+$/.test(id)) return `not a member ID: ${id}`;
    changes.push({ type, nodeId: BigInt(id) });
  }
  return changes;
}
