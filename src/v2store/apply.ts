/**
 * What requests of the v2 store do. What they say of the membership is handed back, as the whole
 * member acts on it; what only moved the store's clock or read from it changes nothing; user data of
 * the v2 API cannot be served yet, and is refused rather than lost.
 */
import { Request } from "../api/gen/etcdserver.ts";
import { DecodeError } from "../base/wire.ts";
import { membershipOfV2Request, type V2MembershipRequest } from "./membership-requests.ts";
import { hasUserContent } from "./read-document.ts";

export type V2Effect = V2MembershipRequest | { readonly kind: "nothing" };

/** What to do about data that users of the v2 API have left. */
const V2_DATA_ADVICE =
  "this version has no v2 API to serve it; remove it through the API of etcd 3.5 or older, started " +
  "with --enable-v2, and let that write a snapshot (`etcdutl check v2store` says whether it is gone)";

/** Data of users of the v2 API, which this server does not hold. The words are etcd's. */
export class V2DataError extends Error {
  constructor(what: string) {
    super(`detected disallowed ${what}: ${V2_DATA_ADVICE}`);
    this.name = "V2DataError";
  }
}

/** Throws `DecodeError` or `SyntaxError` on malformed bytes, `V2DataError` on user data. */
export function applyV2Request(data: Uint8Array): V2Effect {
  const request = Request.decode(data);
  const { Method, Path } = request;
  if (Method === "SYNC" || Method === "QGET" || Method === "") return { kind: "nothing" };
  const effect = membershipOfV2Request(request);
  if (effect !== undefined) return effect;
  throw new V2DataError(`v2 WAL for stage --v2-deprecation=write-only (${Method} ${Path})`);
}

/**
 * Throws `V2DataError` if a request of the log holds user data. Malformed ones pass: whether they are
 * needed at all is known when it is their turn.
 */
export function refuseUserRequest(data: Uint8Array): void {
  try {
    applyV2Request(data);
  } catch (error) {
    if (!(error instanceof DecodeError) && !(error instanceof SyntaxError)) throw error;
  }
}

/** Throws `V2DataError` if a document holds user data, `SyntaxError` if it is none. */
export function refuseUserDocument(document: Uint8Array): void {
  if (!hasUserContent(document)) return;
  throw new V2DataError("custom content in v2store for stage --v2-deprecation=write-only");
}
