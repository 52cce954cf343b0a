/** What stands in the v2 store's document of a `.snap` file: the membership, and data of users. */
import type { Snapshot } from "../api/gen/raft.ts";
import { bytesFromUtf8, utf8FromBytes } from "../base/bytes.ts";
import {
  compareIDs,
  type Member,
  type Membership,
  NO_MEMBERSHIP,
  stringList,
} from "../membership/index.ts";
import { encodeDocument } from "./encode-document.ts";
import { CLUSTER_DIRECTORY, PERMISSIONS_DIRECTORY } from "./paths.ts";

/** The membership in a raft snapshot; empty without one. Throws `SyntaxError`. */
export function membershipOfSnapshot(snapshot: Snapshot | undefined): Membership {
  if (snapshot === undefined || snapshot.data.length === 0) return NO_MEMBERSHIP;
  return membershipOfDocument(snapshot.data);
}

/** The membership in a document, sorted by id. Throws `SyntaxError` when it is none. */
export function membershipOfDocument(bytes: Uint8Array): Membership {
  const document: unknown = JSON.parse(utf8FromBytes(bytes));
  const members: Member[] = [];
  for (const [hexID, memberNode] of childrenOf(document, ["Root", "0", "members"])) {
    const raft = JSON.parse(childValue(memberNode, "raftAttributes") ?? "{}") as RawAttributes;
    const own = JSON.parse(childValue(memberNode, "attributes") ?? "{}") as RawAttributes;
    members.push({
      id: BigInt(`0x${hexID}`),
      peerURLs: stringList(raft.peerURLs, "peerURLs"),
      isLearner: raft.isLearner === true,
      name: typeof own.name === "string" ? own.name : "",
      clientURLs: stringList(own.clientURLs, "clientURLs"),
    });
  }
  const removedIDs = [...childrenOf(document, ["Root", "0", "removed_members"])].map(([hexID]) =>
    BigInt(`0x${hexID}`),
  );
  const zero = [...childrenOf(document, ["Root"])].find(([name]) => name === "0")?.[1];
  return {
    members: members.sort((a, b) => compareIDs(a.id, b.id)),
    removedIDs: removedIDs.sort(compareIDs),
    version: zero === undefined ? undefined : childValue(zero, "version"),
  };
}

/**
 * Whether there is anything that users of the v2 API have put into a document: keys, users or roles.
 * Throws `SyntaxError` when it is none.
 */
export function hasUserContent(bytes: Uint8Array): boolean {
  const document: unknown = JSON.parse(utf8FromBytes(bytes));
  if (field(document, "Root") === undefined) throw noStore();
  return childrenOf(document, ["Root"]).some(([name, directory]) => {
    if (name === CLUSTER_DIRECTORY) return false;
    const children = namedChildren(directory);
    // The directories of users and roles stay when all of them are gone.
    if (name !== PERMISSIONS_DIRECTORY) return children.length > 0;
    return children.some(([, child]) => namedChildren(child).length > 0);
  });
}

/**
 * The document with `member` as the only member there ever was; everything else stays as it is.
 * Throws `SyntaxError` when it is none.
 */
export function withOnlyMember(bytes: Uint8Array, member: Member): Uint8Array {
  const document = parseTree(bytes);
  const cluster = treeChildren(document.Root)[CLUSTER_DIRECTORY];
  const fresh = parseTree(
    encodeDocument({ members: [member], removedIDs: [], version: undefined }),
  );
  const { removed_members: _, ...others } = treeChildren(cluster);
  const { members } = treeChildren(treeChildren(fresh.Root)[CLUSTER_DIRECTORY]);
  if (cluster === undefined || members === undefined) throw noStore();
  cluster.Children = { ...others, members };
  return bytesFromUtf8(JSON.stringify(document));
}

interface TreeNode {
  Children?: Record<string, TreeNode> | null;
}

function parseTree(bytes: Uint8Array): { readonly Root: TreeNode } {
  const document: unknown = JSON.parse(utf8FromBytes(bytes));
  if (typeof document !== "object" || document === null || !("Root" in document)) throw noStore();
  return document as { Root: TreeNode };
}

function treeChildren(node: TreeNode | undefined): Record<string, TreeNode> {
  return node?.Children ?? {};
}

function noStore(): SyntaxError {
  return new SyntaxError("it is no v2 store");
}

interface RawAttributes {
  readonly peerURLs?: unknown;
  readonly isLearner?: unknown;
  readonly name?: unknown;
  readonly clientURLs?: unknown;
}

/** The named children of the node at a path; the first name is a field of the document. */
function childrenOf(document: unknown, path: readonly string[]): [string, unknown][] {
  let current: unknown = field(document, path[0] ?? "");
  for (const name of path.slice(1)) {
    const children = field(current, "Children");
    current = typeof children === "object" && children !== null ? field(children, name) : undefined;
  }
  return namedChildren(current);
}

function namedChildren(directory: unknown): [string, unknown][] {
  const children = field(directory, "Children");
  return typeof children === "object" && children !== null ? Object.entries(children) : [];
}

function childValue(memberNode: unknown, name: string): string | undefined {
  const value = field(field(field(memberNode, "Children"), name), "Value");
  return typeof value === "string" ? value : undefined;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
