/**
 * The v2 store's document in a `.snap` file, as far as it concerns the membership, without any data
 * of users: etcd still writes it, and members of 3.5 and older read the membership from it.
 */
import type { Membership } from "../membership/index.ts";
import { KeyStore } from "./key-store.ts";
import { MemberNodes } from "./member-nodes.ts";
import { writeDocument } from "./write-document.ts";

/** The whole document, in UTF-8, with the history that creating it would have left behind. */
export function encodeDocument({ members, removedIDs, version }: Membership): Uint8Array {
  const keys = new KeyStore(() => 0);
  const nodes = new MemberNodes(keys);
  // etcd looks for earlier members first, and counts that.
  nodes.look();
  for (const member of members) {
    nodes.add(member);
    // Only what a started member has published; the name alone is just the configuration's.
    if (member.clientURLs.length > 0) nodes.publish(member.id, member.name, member.clientURLs);
  }
  for (const id of removedIDs) nodes.mark(id);
  if (version !== undefined) nodes.setVersion(version);
  return writeDocument(keys.content);
}
