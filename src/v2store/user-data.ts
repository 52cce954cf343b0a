/**
 * Data of users where the v2 API is not served: it is refused rather than lost, as the next snapshot
 * would be written without it.
 */
import { Request } from "../api/gen/etcdserver.ts";
import { DecodeError } from "../base/wire.ts";
import { membershipOfV2Request } from "./membership-requests.ts";
import { hasUserContent } from "./read-document.ts";

/** What to do about data that users of the v2 API have left. */
const V2_DATA_ADVICE =
  "start with --enable-v2 to serve it; or remove it through that API, and let the member write a " +
  "snapshot (`etcdutl check v2store` says whether it is gone)";

/** Data of users of the v2 API, which this member does not hold. The words are etcd's. */
export class V2DataError extends Error {
  constructor(what: string) {
    super(`detected disallowed ${what}: ${V2_DATA_ADVICE}`);
    this.name = "V2DataError";
  }
}

/**
 * Throws `V2DataError` if a request of the log holds user data. Malformed ones pass: whether they are
 * needed at all is known when it is their turn.
 */
export function refuseUserRequest(data: Uint8Array): void {
  let request: Request;
  try {
    request = Request.decode(data);
    if (membershipOfV2Request(request) !== undefined) return;
  } catch (error) {
    if (!(error instanceof DecodeError) && !(error instanceof SyntaxError)) throw error;
    return;
  }
  refuseUserData(request);
}

/** Throws `V2DataError` unless the request only reads, or moves the store's clock on. */
export function refuseUserData({ Method, Path }: Request): void {
  if (Method === "SYNC" || Method === "QGET" || Method === "") return;
  throw new V2DataError(`v2 WAL for stage --v2-deprecation=write-only (${Method} ${Path})`);
}

/** Throws `V2DataError` if a document holds user data, `SyntaxError` if it is none. */
export function refuseUserDocument(document: Uint8Array): void {
  if (!hasUserContent(document)) return;
  throw new V2DataError("custom content in v2store for stage --v2-deprecation=write-only");
}
