/**
 * Entries that speak the v2 store's language: where their request stands, and what of the membership
 * is applied in its place. etcd up to 3.5 writes the membership so, and what users of the v2 API ask.
 */
import { Request } from "../../api/gen/etcdserver.ts";
import {
  Attributes,
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
} from "../../api/gen/membership.ts";
import { DecodeError } from "../../base/wire.ts";
import { membershipOfV2Request } from "../../v2store/index.ts";
import { decodeRaftRequest, RaftField, type RaftRequest } from "./raft-request.ts";

/** `field` is that of the form since 3.5 for the membership, `RaftField.v2` for all else. */
export interface V2Translation {
  readonly field: RaftField;
  readonly request: unknown;
  /** Of the request itself. */
  readonly id: bigint;
}

/** Throws `DecodeError` or `SyntaxError` on malformed bytes. */
export function translateV2Request(data: Uint8Array): V2Translation {
  const request = Request.decode(data);
  const { ID: id } = request;
  const effect = membershipOfV2Request(request);
  switch (effect?.kind) {
    case undefined:
      return { field: RaftField.v2, request, id };
    case "clusterVersion":
      return {
        field: RaftField.clusterVersionSet,
        request: ClusterVersionSetRequest.create({ ver: effect.version }),
        id,
      };
    case "memberAttributes": {
      const { id: memberID, name, clientURLs } = effect;
      const memberAttributes = Attributes.create({ name, clientUrls: [...clientURLs] });
      return {
        field: RaftField.clusterMemberAttrSet,
        request: ClusterMemberAttrSetRequest.create({ memberID, memberAttributes }),
        id,
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
