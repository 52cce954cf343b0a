/** From a request's path and parameters to a request of the v2 store, as etcd reads them. */
import { Request } from "../api/gen/etcdserver.ts";
import { KEYS_ROOT, V2_CODE, V2Error } from "../v2store/index.ts";
import type { Form } from "./form.ts";

export interface KeyRequest {
  readonly request: Request;
  readonly isWithoutValue: boolean;
}

/**
 * `path` is behind "/v2/keys". `expirationOf` gives nanoseconds since 1970 for seconds from now.
 * Throws `V2Error`.
 */
export function readKeyRequest(
  method: string,
  path: string,
  form: Form,
  expirationOf: (ttlSeconds: bigint) => bigint,
): KeyRequest {
  const PrevIndex = form.number("prevIndex", V2_CODE.indexNotNumber);
  const Since = safeNumber(form.number("waitIndex", V2_CODE.indexNotNumber));
  const Recursive = form.flag("recursive");
  const Sorted = form.flag("sorted");
  const Wait = form.flag("wait");
  const Dir = form.flag("dir");
  const Quorum = form.flag("quorum");
  const Stream = form.flag("stream");
  if (Wait && method !== "GET") {
    throw new V2Error(V2_CODE.invalidField, '"wait" can only be used with GET requests');
  }
  const PrevValue = form.text("prevValue");
  if (form.has("prevValue") && PrevValue === "") {
    throw new V2Error(V2_CODE.prevValueRequired, '"prevValue" cannot be empty');
  }
  const isWithoutValue = form.flag("noValueOnSuccess");
  const ttl = form.text("ttl") === "" ? undefined : form.number("ttl", V2_CODE.ttlNotNumber);
  const PrevExist = form.has("prevExist")
    ? form.flag("prevExist", "invalid value for prevExist")
    : undefined;
  const Refresh = readRefresh(form, ttl);
  const request = Request.create({
    Method: method === "GET" && Quorum ? "QGET" : method,
    Path: KEYS_ROOT + withoutSlash(path),
    Val: form.text("value"),
    Dir,
    PrevValue,
    PrevIndex,
    PrevExist,
    Expiration: ttl === undefined ? 0n : expirationOf(ttl),
    Wait,
    Since,
    Recursive,
    Sorted,
    Quorum,
    Stream,
    Refresh,
  });
  return { request, isWithoutValue };
}

function readRefresh(form: Form, ttl: bigint | undefined): boolean | undefined {
  if (!form.has("refresh")) return undefined;
  const isRefresh = form.flag("refresh", "invalid value for refresh");
  if (isRefresh && form.text("value") !== "") {
    throw new V2Error(V2_CODE.refreshValue, "A value was provided on a refresh");
  }
  if (isRefresh && ttl === undefined) {
    throw new V2Error(V2_CODE.refreshTTLRequired, "No TTL value set");
  }
  return isRefresh;
}

/** Indexes do not grow beyond it, so that a larger one is as far in the future. */
function safeNumber(value: bigint): number {
  return Number(value > MAX_SAFE ? MAX_SAFE : value);
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

function withoutSlash(path: string): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}
