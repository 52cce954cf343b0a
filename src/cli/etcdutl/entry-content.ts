/** What an entry of the log asks for, seen from the v2 API: older entries hold its requests bare. */
import { Request } from "../../api/gen/etcdserver.ts";
import { type Entry, EntryType } from "../../api/gen/raft.ts";
import { InternalRaftRequest } from "../../api/gen/raft-internal.ts";
import { DecodeError } from "../../base/wire.ts";
import { UtilityError } from "./deps.ts";

export type EntryContent =
  | { readonly kind: "empty" }
  | { readonly kind: "confChange" }
  | { readonly kind: "v2"; readonly request: Request }
  | { readonly kind: "v3"; readonly request: InternalRaftRequest };

/** Throws `UtilityError` for what is no request. */
export function contentOf({ type, data, index }: Entry): EntryContent {
  if (type !== EntryType.EntryNormal) return { kind: "confChange" };
  if (data.length === 0) return { kind: "empty" };
  const request = decoded(InternalRaftRequest, data);
  if (request !== undefined) {
    return request.v2 === undefined ? { kind: "v3", request } : { kind: "v2", request: request.v2 };
  }
  const bare = decoded(Request, data);
  if (bare !== undefined) return { kind: "v2", request: bare };
  throw new UtilityError(`failed to unmarshal WAL entry at index ${index}`);
}

function decoded<T>(codec: { decode(bytes: Uint8Array): T }, data: Uint8Array): T | undefined {
  try {
    return codec.decode(data);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return undefined;
  }
}
