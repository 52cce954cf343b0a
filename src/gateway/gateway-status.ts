/** gRPC statuses as the JSON gateway of etcd 3.6 shows them. */

import { StatusCode } from "../api/errors.ts";
import { quote } from "./json-encode.ts";

/** 499 is nginx's "client closed request". */
const HTTP_STATUS: ReadonlyMap<number, number> = new Map([
  [StatusCode.OK, 200],
  [StatusCode.CANCELLED, 499],
  [StatusCode.UNKNOWN, 500],
  [StatusCode.INVALID_ARGUMENT, 400],
  [StatusCode.DEADLINE_EXCEEDED, 504],
  [StatusCode.NOT_FOUND, 404],
  [StatusCode.ALREADY_EXISTS, 409],
  [StatusCode.PERMISSION_DENIED, 403],
  [StatusCode.UNAUTHENTICATED, 401],
  [StatusCode.RESOURCE_EXHAUSTED, 429],
  [StatusCode.FAILED_PRECONDITION, 400],
  [StatusCode.ABORTED, 409],
  [StatusCode.OUT_OF_RANGE, 400],
  [StatusCode.UNIMPLEMENTED, 501],
  [StatusCode.INTERNAL, 500],
  [StatusCode.UNAVAILABLE, 503],
  [StatusCode.DATA_LOSS, 500],
]);

export function httpStatusOf(code: number): number {
  return HTTP_STATUS.get(code) ?? 500;
}

/** `{"code":3,"message":"..."}`; an empty message and code 0 are defaults and left out. */
export function encodeStatus(code: number, message: string, escapeHtml = false): string {
  const fields: string[] = [];
  if (code !== 0) fields.push(`"code":${code}`);
  if (message !== "") fields.push(`"message":${quote(message, escapeHtml)}`);
  return `{${fields.join(",")}}`;
}
