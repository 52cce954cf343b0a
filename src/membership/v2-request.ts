/**
 * Membership changes that members up to 3.5 wrote to the log as requests of the v2 store: a member
 * publishing its attributes, and the cluster version. Everything else in that store is not ours to
 * apply here.
 */

import type { Request } from "../api/gen/etcdserver.ts";
import type { MemberID } from "../base/ids.ts";
import { stringList } from "./member.ts";

export type V2MembershipRequest =
  | {
      readonly kind: "memberAttributes";
      readonly id: MemberID;
      readonly name: string;
      readonly clientURLs: readonly string[];
    }
  | { readonly kind: "clusterVersion"; readonly version: string };

const ATTRIBUTES_PATH = /^\/0\/members\/([0-9a-f]{1,16})\/attributes$/;
const VERSION_PATH = "/0/version";

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
