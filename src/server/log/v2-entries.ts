/**
 * Entries of etcd 3.5 and older that speak the v2 store's language. What they say of the
 * membership is translated; what only moved the v2 store's clock or read from it changes nothing;
 * user data of the v2 API cannot be served here and is refused rather than lost.
 */
import { Request } from "../../api/gen/etcdserver.ts";
import {
  Attributes,
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
} from "../../api/gen/membership.ts";
import { assert } from "../../base/assert.ts";
import { DecodeError } from "../../base/wire.ts";
import { membershipOfV2Request } from "../../membership/index.ts";
import { decodeRaftRequest, RaftField, type RaftRequest } from "./raft-request.ts";

export type V2Translation =
  | { readonly kind: "request"; readonly field: RaftField; readonly request: unknown }
  | { readonly kind: "nothing" };

/** What to do about data that users of the v2 API have left. */
export const V2_DATA_ADVICE =
  "this version has no v2 API to serve it; remove it through the API of etcd 3.5 or older, started " +
  "with --enable-v2, and let that write a snapshot (`etcdutl check v2store` says whether it is gone)";

/** A v2 write of user data, which this server does not hold. The words are etcd's. */
export class V2DataError extends Error {
  constructor(method: string, path: string) {
    super(
      "detected disallowed v2 WAL for stage --v2-deprecation=write-only " +
        `(${method} ${path}): ${V2_DATA_ADVICE}`,
    );
    this.name = "V2DataError";
  }
}

/** Throws `DecodeError` on malformed bytes, `V2DataError` on user data. */
export function translateV2Entry(data: Uint8Array): V2Translation {
  const request = Request.decode(data);
  if (request.Method === "SYNC" || request.Method === "QGET" || request.Method === "") {
    return { kind: "nothing" };
  }
  const membership = membershipOfV2Request(request);
  switch (membership?.kind) {
    case "clusterVersion":
      return {
        kind: "request",
        field: RaftField.clusterVersionSet,
        request: ClusterVersionSetRequest.create({ ver: membership.version }),
      };
    case "memberAttributes": {
      const { id, name, clientURLs } = membership;
      const memberAttributes = Attributes.create({ name, clientUrls: [...clientURLs] });
      return {
        kind: "request",
        field: RaftField.clusterMemberAttrSet,
        request: ClusterMemberAttrSetRequest.create({ memberID: id, memberAttributes }),
      };
    }
    case undefined:
      throw new V2DataError(request.Method, request.Path);
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
