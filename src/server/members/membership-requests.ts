/** What members write to the log about the cluster version and about themselves, in either form. */
import { Request } from "../../api/gen/etcdserver.ts";
import {
  Attributes,
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
} from "../../api/gen/membership.ts";
import { requestIDToBigInt } from "../../base/id-generator.ts";
import * as v2 from "../../v2store/index.ts";
import type { ServerContext } from "../context.ts";
import { RaftField } from "../log/raft-request.ts";
import type { RequestForm } from "./request-form.ts";

export interface MembershipRequest {
  readonly field: RaftField;
  readonly body: Uint8Array;
  /** For lines of the log. */
  readonly api: RequestForm;
}

export type VersionRequestNeeds = Pick<ServerContext, "ids">;
export type AttributesRequestNeeds = VersionRequestNeeds & Pick<ServerContext, "memberID">;

export function clusterVersionRequest(
  server: VersionRequestNeeds,
  form: RequestForm,
  version: string,
): MembershipRequest {
  if (form === "v2") return ofV2(v2.versionRequest(nextID(server), version));
  const request = ClusterVersionSetRequest.create({ ver: version });
  const body = ClusterVersionSetRequest.encode(request);
  return { field: RaftField.clusterVersionSet, body, api: "v3" };
}

export function attributesRequest(
  server: AttributesRequestNeeds,
  form: RequestForm,
  name: string,
  clientURLs: readonly string[],
): MembershipRequest {
  const { memberID } = server;
  if (form === "v2") {
    return ofV2(v2.attributesRequest(nextID(server), memberID, name, clientURLs));
  }
  const memberAttributes = Attributes.create({ name, clientUrls: [...clientURLs] });
  const request = ClusterMemberAttrSetRequest.create({ memberID, memberAttributes });
  const body = ClusterMemberAttrSetRequest.encode(request);
  return { field: RaftField.clusterMemberAttrSet, body, api: "v3" };
}

function ofV2(request: Request): MembershipRequest {
  return { field: RaftField.v2, body: Request.encode(request), api: "v2" };
}

function nextID({ ids }: VersionRequestNeeds): bigint {
  return requestIDToBigInt(ids.next());
}
