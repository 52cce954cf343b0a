/**
 * The v2 store's document in a `.snap` file, as far as it concerns the membership, without any data
 * of users: etcd still writes it, and members of 3.5 and older read the membership from it.
 */
import { bytesFromUtf8 } from "../base/bytes.ts";
import { goJSON, type Membership } from "../membership/index.ts";
import { memberDirectory, removedMemberPath, VERSION_PATH } from "./paths.ts";

const NEVER = "0001-01-01T00:00:00Z";
const EVENT_QUEUE_CAPACITY = 1000;

interface Leaf {
  readonly path: string;
  readonly value: string;
  readonly action: "create" | "set";
}

/** The whole document, in UTF-8, with the history that creating it would have left behind. */
export function encodeDocument(membership: Membership): Uint8Array {
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
  return bytesFromUtf8(goJSON(document));
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
    const directoryPath = memberDirectory(member.id);
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
    leaves.push({ path: removedMemberPath(id), value: "", action: "create" });
  }
  if (membership.version !== undefined) {
    leaves.push({ path: VERSION_PATH, value: membership.version, action: "set" });
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
