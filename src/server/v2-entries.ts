/**
 * Entries of etcd 3.5 and older that speak the v2 store's language. What they say of the
 * membership is translated; what only moved the v2 store's clock or read from it changes nothing;
 * user data of the v2 API cannot be served here and is refused rather than lost.
 */
import { Request } from "../api/gen/etcdserver.ts";
import {
  Attributes,
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
} from "../api/gen/membership.ts";
import { assert } from "../base/assert.ts";
import { membershipOfV2Request } from "../membership/index.ts";
import { RaftField } from "./raft-request.ts";

export type V2Translation =
  | { readonly kind: "request"; readonly field: RaftField; readonly request: unknown }
  | { readonly kind: "nothing" };

/** A v2 write of user data, which this server does not hold. */
class V2DataError extends Error {
  constructor(method: string, path: string) {
    super(
      `detected disallowed v2 WAL entry (${method} ${path}): ` +
        "this data directory holds v2 store data, which is not supported",
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
