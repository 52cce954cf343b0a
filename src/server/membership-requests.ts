/**
 * What members write to the log about the cluster version and about themselves. Members of etcd 3.4
 * stop at the requests that 3.5 introduced for this, so until a cluster version says that there are
 * none, the requests of the v2 store are used, which every release up to 3.6 understands.
 */
import { Request } from "../api/gen/etcdserver.ts";
import {
  Attributes,
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
} from "../api/gen/membership.ts";
import { requestIDToBigInt } from "../base/id-generator.ts";
import { formatID } from "../base/ids.ts";
import { goJSON, isBefore } from "../membership/index.ts";
import type { ServerContext } from "./context.ts";
import { RaftField } from "./raft-request.ts";

const FIRST_VERSION_WITHOUT_V2 = "3.5.0";

export interface MembershipRequest {
  readonly field: RaftField;
  readonly body: Uint8Array;
  /** For lines of the log. */
  readonly api: "v2" | "v3";
}

type Needed = Pick<ServerContext, "cluster" | "ids" | "options">;

export function clusterVersionRequest(server: Needed, version: string): MembershipRequest {
  if (needsV2(server)) return v2Put(server, "/0/version", version);
  const request = ClusterVersionSetRequest.create({ ver: version });
  const body = ClusterVersionSetRequest.encode(request);
  return { field: RaftField.clusterVersionSet, body, api: "v3" };
}

export function attributesRequest(
  server: Needed & Pick<ServerContext, "memberID">,
  name: string,
  clientURLs: readonly string[],
): MembershipRequest {
  const { memberID } = server;
  if (needsV2(server)) {
    const json = goJSON({
      name: name === "" ? undefined : name,
      clientURLs: clientURLs.length === 0 ? undefined : clientURLs,
    });
    return v2Put(server, `/0/members/${formatID(memberID)}/attributes`, json);
  }
  const memberAttributes = Attributes.create({ name, clientUrls: [...clientURLs] });
  const request = ClusterMemberAttrSetRequest.create({ memberID, memberAttributes });
  const body = ClusterMemberAttrSetRequest.encode(request);
  return { field: RaftField.clusterMemberAttrSet, body, api: "v3" };
}

/**
 * A cluster of one has nobody who could not understand, and its directory stays usable for the etcd
 * that it came from. A member that joins knows neither the version nor the members before the log
 * has told it.
 */
function needsV2({ cluster, options }: Needed): boolean {
  const [first, second] = cluster.members;
  const isAlone = first?.id === cluster.localID && second === undefined;
  if (isAlone) return false;
  if (cluster.version !== undefined) return isBefore(cluster.version, FIRST_VERSION_WITHOUT_V2);
  return first !== undefined || options.initialCluster.size > 1;
}

function v2Put(server: Needed, path: string, value: string): MembershipRequest {
  const ID = requestIDToBigInt(server.ids.next());
  const request = Request.create({ ID, Method: "PUT", Path: path, Val: value });
  return { field: RaftField.v2, body: Request.encode(request), api: "v2" };
}
