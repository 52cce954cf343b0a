/**
 * A member of the cluster and its JSON, which stands in conf change entries, in the members
 * bucket and in the peers' `/members`. Ids are bare 64-bit numbers there, beyond what JSON
 * readers keep exactly, hence the own reading and writing.
 */
import { formatID, type MemberID } from "../base/ids.ts";

export interface Member {
  readonly id: MemberID;
  readonly peerURLs: readonly string[];
  readonly isLearner: boolean;
  /** Empty until the member has started and published itself. */
  readonly name: string;
  readonly clientURLs: readonly string[];
}

/** As etcd writes it: empty attributes are left out. */
export function memberToJSON(member: Member): string {
  const parts = [`"id":${member.id}`, `"peerURLs":${goJSON(member.peerURLs)}`];
  if (member.isLearner) parts.push('"isLearner":true');
  if (member.name !== "") parts.push(`"name":${goJSON(member.name)}`);
  if (member.clientURLs.length > 0) parts.push(`"clientURLs":${goJSON(member.clientURLs)}`);
  return `{${parts.join(",")}}`;
}

/** A member as etcd's log shows it. */
export function memberText({ id, peerURLs, isLearner, name, clientURLs }: Member): string {
  const raft = `{PeerURLs:[${peerURLs.join(" ")}] IsLearner:${isLearner}}`;
  const attributes = `{Name:${name} ClientURLs:[${clientURLs.join(" ")}]}`;
  return `{ID:${formatID(id)} RaftAttributes:${raft} Attributes:${attributes}}`;
}

/** True once the member has published its name. */
export function isStarted(member: Member): boolean {
  return member.name !== "";
}

/** What stands in the context of a conf change that adds or promotes a member. */
export interface ConfChangeContext {
  readonly member: Member;
  /** A learner becomes a voting member; of `member` only the id counts. */
  readonly isPromote: boolean;
}

/** Context of the conf change that promotes a learner. That of an addition is the member itself. */
export function promotionToJSON(id: MemberID): string {
  return `{"id":${id},"peerURLs":null,"isPromote":true}`;
}

/** Throws `SyntaxError`. */
export function confChangeContextFromJSON(text: string): ConfChangeContext {
  const member = memberFromJSON(text);
  const { isPromote } = JSON.parse(text) as { isPromote?: unknown };
  return { member, isPromote: isPromote === true };
}

/** JSON text as Go's encoder writes it: `<`, `>` and `&` escaped. */
export function goJSON(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Throws a `SyntaxError` that says what is wrong. */
export function memberFromJSON(text: string): Member {
  return memberFromRaw(JSON.parse(quoteIDs(text)));
}

/** A list of members, as peers answer at `/members`. Throws `SyntaxError`. */
export function membersFromJSON(text: string): Member[] {
  const raw: unknown = JSON.parse(quoteIDs(text));
  if (!Array.isArray(raw)) throw new SyntaxError("the members are not a list");
  return raw.map(memberFromRaw);
}

/** Makes the 64-bit ids strings. In a JSON string the quotes are escaped, so nothing else fits. */
function quoteIDs(text: string): string {
  return text.replace(/"id"\s*:\s*(\d+)/g, '"id":"$1"');
}

function memberFromRaw(raw: unknown): Member {
  if (typeof raw !== "object" || raw === null) throw new SyntaxError("a member is not an object");
  const fields = raw as Record<string, unknown>;
  const id = fields["id"];
  if (typeof id !== "string" || !/^\d{1,20}$/.test(id)) {
    throw new SyntaxError("a member without a numeric id");
  }
  return {
    id: BigInt.asUintN(64, BigInt(id)),
    peerURLs: stringList(fields["peerURLs"], "peerURLs"),
    isLearner: fields["isLearner"] === true,
    name: typeof fields["name"] === "string" ? fields["name"] : "",
    clientURLs: stringList(fields["clientURLs"], "clientURLs"),
  };
}

export function stringList(value: unknown, what: string): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
    throw new SyntaxError(`${what} is not a list of strings`);
  }
  return value;
}
