/**
 * Entries of etcd 3.5 and older that speak the v2 store's language: where their request stands, and
 * what is applied in its place.
 */
import {
  Attributes,
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
} from "../../api/gen/membership.ts";
import { assert } from "../../base/assert.ts";
import { DecodeError } from "../../base/wire.ts";
import { applyV2Request } from "../../v2store/index.ts";
import { decodeRaftRequest, RaftField, type RaftRequest } from "./raft-request.ts";

export type V2Translation =
  | { readonly kind: "request"; readonly field: RaftField; readonly request: unknown }
  | { readonly kind: "nothing" };

/** Throws `DecodeError` or `SyntaxError` on malformed bytes, `V2DataError` on user data. */
export function translateV2Entry(data: Uint8Array): V2Translation {
  const effect = applyV2Request(data);
  switch (effect.kind) {
    case "nothing":
      return effect;
    case "clusterVersion":
      return {
        kind: "request",
        field: RaftField.clusterVersionSet,
        request: ClusterVersionSetRequest.create({ ver: effect.version }),
      };
    case "memberAttributes": {
      const { id, name, clientURLs } = effect;
      const memberAttributes = Attributes.create({ name, clientUrls: [...clientURLs] });
      return {
        kind: "request",
        field: RaftField.clusterMemberAttrSet,
        request: ClusterMemberAttrSetRequest.create({ memberID: id, memberAttributes }),
      };
    }
  }
}

/** The request of the v2 store in an entry's data, bare or in its envelope; undefined without one. */
export function v2RequestIn(data: Uint8Array): Uint8Array | undefined {
  const envelope = tryDecodeEnvelope(data);
  if (envelope === undefined) return data;
  return envelope.field === RaftField.v2 ? data.subarray(envelope.start, envelope.end) : undefined;
}

/** Undefined when the bytes are no `InternalRaftRequest`: then they are a request of the v2 store. */
export function tryDecodeEnvelope(data: Uint8Array): RaftRequest | undefined {
  try {
    return decodeRaftRequest(data);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** For a request of this member's own, which says something. */
export function translateV2Request(data: Uint8Array): {
  readonly field: RaftField;
  readonly request: unknown;
} {
  const translation = translateV2Entry(data);
  assert(translation.kind === "request", "a proposed request of the v2 store has an effect");
  const { field, request } = translation;
  return { field, request };
}
