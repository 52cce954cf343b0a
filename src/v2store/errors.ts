/** Errors of the v2 API: a code that clients act on, etcd's words for it, and what caused it. */

const MESSAGES = {
  100: "Key not found",
  101: "Compare failed",
  102: "Not a file",
  104: "Not a directory",
  105: "Key already exists",
  107: "Root is read only",
  108: "Directory not empty",
  110: "The request requires user authentication",
  201: "PrevValue is Required in POST form",
  202: "The given TTL in POST form is not a number",
  203: "The given index in POST form is not a number",
  209: "Invalid field",
  210: "Invalid POST form",
  211: "Value provided on refresh",
  212: "A TTL must be provided on refresh",
  300: "Raft Internal Error",
  401: "The event in requested index is outdated and cleared",
} as const;

export type V2ErrorCode = keyof typeof MESSAGES;

export const V2_CODE = {
  keyNotFound: 100,
  compareFailed: 101,
  notFile: 102,
  notDirectory: 104,
  keyExists: 105,
  rootReadOnly: 107,
  directoryNotEmpty: 108,
  unauthorized: 110,
  prevValueRequired: 201,
  ttlNotNumber: 202,
  indexNotNumber: 203,
  invalidField: 209,
  invalidForm: 210,
  refreshValue: 211,
  refreshTTLRequired: 212,
  raftInternal: 300,
  eventIndexCleared: 401,
} as const satisfies Record<string, V2ErrorCode>;

export class V2Error extends Error {
  readonly code: V2ErrorCode;
  /** Often the path; may be empty. */
  readonly reason: string;
  /** The store's index at that moment; 0 when the store was not asked. */
  readonly index: number;

  constructor(code: V2ErrorCode, reason: string, index = 0) {
    super(MESSAGES[code]);
    this.name = "V2Error";
    this.code = code;
    this.reason = reason;
    this.index = index;
  }
}
