/**
 * Membership changes that members up to 3.5 write to the log as requests of the v2 store: a member
 * publishing its attributes, and the cluster version. Read and written here.
 */
import { Request } from "../api/gen/etcdserver.ts";
import type { MemberID } from "../base/ids.ts";
import { stringList } from "../membership/index.ts";
import { attributesJSON } from "./member-nodes.ts";
import { attributesPath, VERSION_PATH } from "./paths.ts";

export type V2MembershipRequest =
  | {
      readonly kind: "memberAttributes";
      readonly id: MemberID;
      readonly name: string;
      readonly clientURLs: readonly string[];
    }
  | { readonly kind: "clusterVersion"; readonly version: string };

/** As members write it. */
const ATTRIBUTES_PATH = /^\/0\/members\/([0-9a-f]{1,16})\/attributes$/;
/** As etcd's tools look for it: anywhere in the path, in any case. */
const TOOLS_ATTRIBUTES_PATH = /\/0\/members\/[0-9a-fA-F]{1,16}\/attributes/;

/** Undefined if the request does not concern the membership. Throws `SyntaxError` on bad JSON. */
export function membershipOfV2Request(request: Request): V2MembershipRequest | undefined {
  if (request.Method !== "PUT") return undefined;
  if (request.Path === VERSION_PATH) return { kind: "clusterVersion", version: request.Val };
  const match = ATTRIBUTES_PATH.exec(request.Path);
  if (match === null) return undefined;
  const raw: unknown = JSON.parse(request.Val);
  if (typeof raw !== "object" || raw === null) {
    throw new SyntaxError("member attributes are not an object");
  }
  const fields = raw as { name?: unknown; clientURLs?: unknown };
  return {
    kind: "memberAttributes",
    id: BigInt(`0x${match[1]}`),
    name: typeof fields.name === "string" ? fields.name : "",
    clientURLs: stringList(fields.clientURLs, "clientURLs"),
  };
}

/** Sets the cluster version. */
export function versionRequest(ID: bigint, version: string): Request {
  return Request.create({ ID, Method: "PUT", Path: VERSION_PATH, Val: version });
}

/** Tells of a member's name and client addresses; what is empty is left out, as etcd has it. */
export function attributesRequest(
  ID: bigint,
  memberID: MemberID,
  name: string,
  clientURLs: readonly string[],
): Request {
  const Val = attributesJSON(name, clientURLs);
  return Request.create({ ID, Method: "PUT", Path: attributesPath(memberID), Val });
}

/** For the offline tools: a member tells its name and client addresses. */
export function isMemberAttributes({ Method, Path }: Request): boolean {
  return Method === "PUT" && TOOLS_ATTRIBUTES_PATH.test(Path);
}

/** For the offline tools: the cluster writes it about itself, no user did through the v2 API. */
export function isOwnRequest(request: Request): boolean {
  return isMemberAttributes(request) || (request.Method === "PUT" && request.Path === VERSION_PATH);
}
