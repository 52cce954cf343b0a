/**
 * Nodes and events as users see them, and as they stand in the document's history: copies, which
 * never change. Their JSON is Go's, byte for byte.
 */
import { sortByBytes } from "./byte-order.ts";
import { type Expiry, expiryText, secondsLeft } from "./expiry.ts";
import { jsonText } from "./json-text.ts";
import type { Node } from "./node.ts";

export type Action =
  | "get"
  | "create"
  | "set"
  | "update"
  | "delete"
  | "compareAndSwap"
  | "compareAndDelete"
  | "expire";

export interface NodeView {
  readonly key: string;
  /** Absent for a directory, and for what is gone. */
  readonly value?: string;
  readonly isDirectory: boolean;
  readonly expiry?: Expiry | undefined;
  /** Seconds that were left, by this member's clock; 0 without an end. */
  readonly ttl: number;
  readonly nodes?: readonly NodeView[];
  readonly modifiedIndex: number;
  readonly createdIndex: number;
}

export interface StoreEvent {
  readonly action: Action;
  readonly node: NodeView;
  readonly previous?: NodeView | undefined;
  /** The store's index after it. */
  readonly storeIndex: number;
  /** Only the TTL was renewed: watchers do not hear of it. */
  readonly isRefresh?: true;
}

/** How deep a listing goes, and in which order. */
export interface Listing {
  readonly isRecursive: boolean;
  readonly isSorted: boolean;
}

/** True if the event has brought a node that was not there. */
export function isCreation({ action, previous }: StoreEvent): boolean {
  return action === "create" || (action === "set" && previous === undefined);
}

/** A node of a listing: directories show their content only when it is recursive. */
function viewOf(node: Node, listing: Listing, nowMs: number): NodeView {
  if (!node.isDirectory) return { ...headOf(node, nowMs), value: node.value };
  const head = headOf(node, nowMs);
  return listing.isRecursive ? { ...head, nodes: contentOf(node, listing, nowMs) } : head;
}

/** The node that was asked for: a directory shows its content. */
export function detailOf(node: Node, listing: Listing, nowMs: number): NodeView {
  if (!node.isDirectory) return { ...headOf(node, nowMs), value: node.value };
  return { ...headOf(node, nowMs), nodes: contentOf(node, listing, nowMs) };
}

const FLAT: Listing = { isRecursive: false, isSorted: false };

/** A node before a change, without what is in it. */
export function previousOf(node: Node, nowMs: number): NodeView {
  return viewOf(node, FLAT, nowMs);
}

function headOf(node: Node, nowMs: number): NodeView {
  const { path: key, isDirectory, modifiedIndex, createdIndex } = node;
  return { key, isDirectory, ...endOf(node, nowMs), modifiedIndex, createdIndex };
}

/** The end of a node, as a view has it. */
export function endOf(
  { expiry }: Node,
  nowMs: number,
): { readonly expiry: Expiry | undefined; readonly ttl: number } {
  return { expiry, ttl: expiry === undefined ? 0 : secondsLeft(expiry, nowMs) };
}

function contentOf({ children }: Node, listing: Listing, nowMs: number): NodeView[] {
  const views: NodeView[] = [];
  for (const child of children?.values() ?? []) {
    if (!child.isHidden) views.push(viewOf(child, listing, nowMs));
  }
  return listing.isSorted ? sortByBytes(views, ({ key }) => key) : views;
}

/** `prefix` is taken off the keys; what is empty is left out, as in Go. */
export function eventJSON(event: StoreEvent, prefix: string): string {
  const previous =
    event.previous === undefined ? "" : `,"prevNode":${nodeJSON(event.previous, prefix)}`;
  return `{"action":"${event.action}","node":${nodeJSON(event.node, prefix)}${previous}}`;
}

export function nodeJSON(node: NodeView, prefix: string): string {
  const key = node.key.startsWith(prefix) ? node.key.slice(prefix.length) : node.key;
  let json = "";
  if (key !== "") json += `,"key":${jsonText(key)}`;
  if (node.value !== undefined) json += `,"value":${jsonText(node.value)}`;
  if (node.isDirectory) json += ',"dir":true';
  if (node.expiry !== undefined) json += `,"expiration":"${expiryText(node.expiry)}"`;
  if (node.ttl !== 0) json += `,"ttl":${node.ttl}`;
  if (node.nodes !== undefined && node.nodes.length > 0) {
    json += `,"nodes":[${node.nodes.map((child) => nodeJSON(child, prefix)).join(",")}]`;
  }
  if (node.modifiedIndex !== 0) json += `,"modifiedIndex":${node.modifiedIndex}`;
  if (node.createdIndex !== 0) json += `,"createdIndex":${node.createdIndex}`;
  return `{${json.slice(1)}}`;
}
