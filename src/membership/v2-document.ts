/**
 * The v2 store document inside a `.snap` file, as far as it concerns the membership: etcd still
 * writes it, and members of 3.5 and older read the membership from it.
 */
import type { Snapshot } from "../api/gen/raft.ts";
import { utf8FromBytes } from "../base/bytes.ts";
import { formatID, type MemberID } from "../base/ids.ts";
import { compareIDs } from "./ids.ts";
import { goJSON, type Member, stringList } from "./member.ts";

export interface Membership {
  readonly members: readonly Member[];
  readonly removedIDs: readonly MemberID[];
  readonly version: string | undefined;
}

export const NO_MEMBERSHIP: Membership = { members: [], removedIDs: [], version: undefined };

/** The membership in a raft snapshot; empty without one. Throws `SyntaxError`. */
export function membershipOfSnapshot(snapshot: Snapshot | undefined): Membership {
  if (snapshot === undefined || snapshot.data.length === 0) return NO_MEMBERSHIP;
  return decodeV2Document(utf8FromBytes(snapshot.data));
}

const NEVER = "0001-01-01T00:00:00Z";
const EVENT_QUEUE_CAPACITY = 1000;

interface Leaf {
  readonly path: string;
  readonly value: string;
  readonly action: "create" | "set";
}

/** The whole document, with the history that creating it would have left behind. */
export function encodeV2Document(membership: Membership): string {
  const leaves = leavesOf(membership);
  const indexes = new Map(leaves.map((leaf, i) => [leaf.path, i + 1]));
  const events: unknown[] = new Array(EVENT_QUEUE_CAPACITY).fill(null);
  leaves.forEach((leaf, i) => {
    const index = i + 1;
    const node = { key: leaf.path, value: leaf.value, modifiedIndex: index, createdIndex: index };
    events[i % EVENT_QUEUE_CAPACITY] = { action: leaf.action, node };
  });
  const dropped = Math.max(0, leaves.length - EVENT_QUEUE_CAPACITY);
  const queue = {
    Events: events,
    Size: leaves.length - dropped,
    Front: dropped % EVENT_QUEUE_CAPACITY,
    Back: leaves.length % EVENT_QUEUE_CAPACITY,
    Capacity: EVENT_QUEUE_CAPACITY,
  };
  const document = {
    Root: directory("/", leaves, indexes, ["/0", "/1"]),
    WatcherHub: {
      EventHistory: {
        Queue: queue,
        StartIndex: leaves.length === 0 ? 0 : dropped + 1,
        LastIndex: leaves.length,
      },
    },
    CurrentIndex: leaves.length,
    Stats: statistics(leaves),
    CurrentVersion: 2,
  };
  return goJSON(document);
}

/** What etcd counts while it builds the document: one failed look for earlier members first. */
function statistics(leaves: readonly Leaf[]): Record<string, number> {
  return {
    getsSuccess: 0,
    getsFail: 1,
    setsSuccess: leaves.filter((leaf) => leaf.action === "set").length,
    setsFail: 0,
    deleteSuccess: 0,
    deleteFail: 0,
    updateSuccess: 0,
    updateFail: 0,
    createSuccess: leaves.filter((leaf) => leaf.action === "create").length,
    createFail: 0,
    compareAndSwapSuccess: 0,
    compareAndSwapFail: 0,
    compareAndDeleteSuccess: 0,
    compareAndDeleteFail: 0,
    expireCount: 0,
    watchers: 0,
  };
}

function leavesOf(membership: Membership): Leaf[] {
  const leaves: Leaf[] = [];
  for (const member of membership.members) {
    const directoryPath = `/0/members/${formatID(member.id)}`;
    const raftAttributes = member.isLearner
      ? { peerURLs: member.peerURLs, isLearner: true }
      : { peerURLs: member.peerURLs };
    leaves.push({
      path: `${directoryPath}/raftAttributes`,
      value: goJSON(raftAttributes),
      action: "create",
    });
    // Only what a started member has published; the name alone is just the configuration's.
    if (member.clientURLs.length === 0) continue;
    const attributes: Record<string, unknown> = {};
    if (member.name !== "") attributes["name"] = member.name;
    attributes["clientURLs"] = member.clientURLs;
    leaves.push({ path: `${directoryPath}/attributes`, value: goJSON(attributes), action: "set" });
  }
  for (const id of membership.removedIDs) {
    leaves.push({ path: `/0/removed_members/${formatID(id)}`, value: "", action: "create" });
  }
  if (membership.version !== undefined) {
    leaves.push({ path: "/0/version", value: membership.version, action: "set" });
  }
  return leaves;
}

/** A directory node with everything below it; `always` are directories that exist even empty. */
function directory(
  path: string,
  leaves: readonly Leaf[],
  indexes: ReadonlyMap<string, number>,
  always: readonly string[],
): unknown {
  const prefix = path === "/" ? "/" : `${path}/`;
  const below = leaves.filter((leaf) => leaf.path.startsWith(prefix));
  const children: Record<string, unknown> = {};
  const names = new Set<string>();
  for (const leaf of below) names.add(leaf.path.slice(prefix.length).split("/", 1)[0] ?? "");
  for (const fixed of always) names.add(fixed.slice(1));
  for (const name of [...names].sort()) {
    const childPath = `${prefix}${name}`;
    const leaf = below.find((candidate) => candidate.path === childPath);
    children[name] =
      leaf === undefined ? directory(childPath, leaves, indexes, []) : leafNode(leaf, indexes);
  }
  // "/", "/0" and "/1" are there from the start; others came with the first leaf below them.
  const fixed = path === "/" || path === "/0" || path === "/1";
  const index = fixed ? 0 : (indexes.get(below[0]?.path ?? "") ?? 0);
  return node(path, index, "", children);
}

function leafNode(leaf: Leaf, indexes: ReadonlyMap<string, number>): unknown {
  return node(leaf.path, indexes.get(leaf.path) ?? 0, leaf.value, null);
}

function node(path: string, index: number, value: string, children: unknown): unknown {
  return {
    Path: path,
    CreatedIndex: index,
    ModifiedIndex: index,
    ExpireTime: NEVER,
    Value: value,
    Children: children,
  };
}

/** Reads the membership out of a document, sorted by id. Throws `SyntaxError` when it is not one. */
export function decodeV2Document(text: string): Membership {
  const document: unknown = JSON.parse(text);
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
 * Throws `SyntaxError` when it is not one.
 */
export function hasV2UserContent(text: string): boolean {
  const document: unknown = JSON.parse(text);
  if (field(document, "Root") === undefined) throw new SyntaxError("it is no v2 store");
  return childrenOf(document, ["Root"]).some(([name, directory]) => {
    if (name === CLUSTER_DIRECTORY) return false;
    const children = namedChildren(directory);
    // The directories of users and roles stay when all of them are gone.
    if (name !== PERMISSIONS_DIRECTORY) return children.length > 0;
    return children.some(([, child]) => namedChildren(child).length > 0);
  });
}

const CLUSTER_DIRECTORY = "0";
const PERMISSIONS_DIRECTORY = "2";

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
