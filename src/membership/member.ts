/**
 * A member of the cluster and its JSON, which stands in conf change entries, in the members
 * bucket and in the peers' `/members`. Ids are bare 64-bit numbers there, beyond what JSON
 * readers keep exactly, hence the own reading and writing.
 */
import type { MemberID } from "../base/ids.ts";

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

/** JSON text as Go's encoder writes it: `<`, `>` and `&` escaped. */
export function goJSON(value: unknown): string {
  return JSON.stringify(value).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/** Throws a `SyntaxError` that says what is wrong. */
export function memberFromJSON(text: string): Member {
  // Inside a JSON string the quotes would be escaped, so this finds the number only.
  const quoted = text.replace(/"id"\s*:\s*(\d+)/, '"id":"$1"');
  const raw: unknown = JSON.parse(quoted);
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
