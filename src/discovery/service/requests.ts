/**
 * What requests of the discovery service mean. Paths: `/new?size=N`, `/health`, and below a token
 * what etcd's v2 discovery asks. Everything else is refused before the store is asked.
 */
import { parseInitialCluster } from "../../base/etcd-url.ts";
import { TextError } from "../../base/go-text.ts";
import { MAX_CLUSTER_SIZE, MAX_URL_CHARACTERS } from "./limits.ts";

export type ServiceRequest =
  | { readonly kind: "new"; readonly size: number }
  | { readonly kind: "health" }
  | { readonly kind: "token"; readonly token: string }
  | { readonly kind: "size"; readonly token: string }
  | { readonly kind: "member"; readonly token: string; readonly id: string }
  | { readonly kind: "register"; readonly token: string; readonly id: string }
  | {
      readonly kind: "wait";
      readonly token: string;
      /** Of one member; undefined: of any. */
      readonly id: string | undefined;
      readonly fromIndex: number;
    }
  | { readonly kind: "refused"; readonly status: number; readonly reason: string };

const TOKEN = /^[0-9a-f]{32}$/;
const MEMBER_ID = /^[0-9a-f]{1,16}$/;
const DEFAULT_SIZE = "3";

export function readRequest(method: string, target: string): ServiceRequest {
  if (target.length > MAX_URL_CHARACTERS) return refused(414, "the URL is too long");
  // Paths such as "//x" and whole URLs are none of ours.
  if (!/^\/[^/]/.test(target)) return refused(404, "there is nothing here");
  const { pathname, searchParams } = new URL(target, "http://service");
  const [first = "", ...rest] = pathname.slice(1).split("/");
  if (first === "new" && rest.length === 0) {
    return isReading(method) ? readNew(searchParams) : wrongMethod(method);
  }
  if (first === "health" && rest.length === 0) {
    return isReading(method) ? { kind: "health" } : wrongMethod(method);
  }
  if (!TOKEN.test(first)) return refused(404, "there is no such token");
  const [id, ...tail] = rest.filter((part, i) => part !== "" || i < rest.length - 1);
  if (id === "_config") {
    if (tail.join("/") !== "size") return refused(404, "there is nothing here");
    return isReading(method) ? { kind: "size", token: first } : wrongMethod(method);
  }
  if (tail.length > 0 || (id !== undefined && !MEMBER_ID.test(id))) {
    return refused(404, "there is nothing here");
  }
  return readTokenRequest(method, first, id, searchParams);
}

function readTokenRequest(
  method: string,
  token: string,
  id: string | undefined,
  query: URLSearchParams,
): ServiceRequest {
  if (method === "PUT" && id !== undefined) {
    if (query.get("prevExist") !== "false") {
      return refused(403, "members are made with prevExist=false, and never changed");
    }
    return { kind: "register", token, id };
  }
  if (!isReading(method)) return wrongMethod(method);
  if (query.get("wait") === "true") {
    const index = query.get("waitIndex") ?? "0";
    if (!/^\d{1,15}$/.test(index)) return refused(400, "waitIndex is no number");
    return { kind: "wait", token, id, fromIndex: Number(index) };
  }
  return id === undefined ? { kind: "token", token } : { kind: "member", token, id };
}

function readNew(query: URLSearchParams): ServiceRequest {
  const text = query.get("size") ?? DEFAULT_SIZE;
  const size = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (size < 1 || size > MAX_CLUSTER_SIZE) {
    return refused(400, `size must be a number from 1 to ${MAX_CLUSTER_SIZE}`);
  }
  return { kind: "new", size };
}

/** The value of a registration; otherwise what is wrong with it. */
export function readRegistration(form: string): { readonly value: string } | string {
  const value = new URLSearchParams(form).get("value") ?? "";
  try {
    const { size } = parseInitialCluster(value);
    return size === 1 ? { value } : "a member registers with one name and its peer URLs";
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    return error.message;
  }
}

function isReading(method: string): boolean {
  return method === "GET" || method === "HEAD";
}

function wrongMethod(method: string): ServiceRequest {
  return refused(405, `${method} is not possible here`);
}

function refused(status: number, reason: string): ServiceRequest {
  return { kind: "refused", status, reason };
}
