/**
 * One header field. Made once per literal on the wire and shared by everything that refers to it
 * through the tables, so its validity and its meaning are computed once as well.
 */

/** What a field name means to the layers above; `FIELD_PLAIN` for all others. */
export type FieldKind = number;
export const FIELD_PLAIN = 0;
export const FIELD_METHOD = 1;
export const FIELD_PATH = 2;
export const FIELD_SCHEME = 3;
export const FIELD_AUTHORITY = 4;
export const FIELD_STATUS = 5;
export const FIELD_UNKNOWN_PSEUDO = 6;
export const FIELD_CONTENT_LENGTH = 7;
export const FIELD_TE = 8;
export const FIELD_CONNECTION_SPECIFIC = 9;
export const FIELD_HOST = 10;
export const FIELD_CONTENT_TYPE = 11;
export const FIELD_GRPC_TIMEOUT = 12;
export const FIELD_GRPC_ENCODING = 13;
export const FIELD_GRPC_STATUS = 14;
export const FIELD_GRPC_MESSAGE = 15;
export const FIELD_INVALID = 16;

const KINDS: ReadonlyMap<string, FieldKind> = new Map([
  [":method", FIELD_METHOD],
  [":path", FIELD_PATH],
  [":scheme", FIELD_SCHEME],
  [":authority", FIELD_AUTHORITY],
  [":status", FIELD_STATUS],
  ["content-length", FIELD_CONTENT_LENGTH],
  ["te", FIELD_TE],
  ["connection", FIELD_CONNECTION_SPECIFIC],
  ["proxy-connection", FIELD_CONNECTION_SPECIFIC],
  ["keep-alive", FIELD_CONNECTION_SPECIFIC],
  ["transfer-encoding", FIELD_CONNECTION_SPECIFIC],
  ["upgrade", FIELD_CONNECTION_SPECIFIC],
  ["host", FIELD_HOST],
  ["content-type", FIELD_CONTENT_TYPE],
  ["grpc-timeout", FIELD_GRPC_TIMEOUT],
  ["grpc-encoding", FIELD_GRPC_ENCODING],
  ["grpc-status", FIELD_GRPC_STATUS],
  ["grpc-message", FIELD_GRPC_MESSAGE],
]);

export class HeaderField {
  readonly name: string;
  readonly value: string;
  /** RFC 7541 4.1: what the field counts in a table or a list. */
  readonly size: number;
  readonly kind: FieldKind;

  /** Both texts are latin1: one code unit per byte. */
  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.size = name.length + value.length + 32;
    this.kind = kindOf(name, value);
  }
}

function kindOf(name: string, value: string): FieldKind {
  if (!isValidValue(value)) return FIELD_INVALID;
  const known = KINDS.get(name);
  if (known !== undefined) return known;
  if (name.charCodeAt(0) === 0x3a) return FIELD_UNKNOWN_PSEUDO;
  return isValidName(name) ? FIELD_PLAIN : FIELD_INVALID;
}

const TOKEN_PUNCTUATION = "!#$%&'*+-.^_`|~";

/** RFC 9113 8.2.1 and RFC 9110 5.6.2: a token without upper-case letters. */
function isValidName(name: string): boolean {
  if (name.length === 0) return false;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    const lowerOrDigit = (c >= 0x61 && c <= 0x7a) || (c >= 0x30 && c <= 0x39);
    if (!lowerOrDigit && c !== 0x2d && !TOKEN_PUNCTUATION.includes(name.charAt(i))) return false;
  }
  return true;
}

/** RFC 9113 8.2.1: no NUL, CR or LF, no blank at either end. */
function isValidValue(value: string): boolean {
  const last = value.length - 1;
  if (last < 0) return true;
  for (let i = 0; i <= last; i++) {
    const c = value.charCodeAt(i);
    if (c < 0x20 && (c === 0 || c === 0x0a || c === 0x0d)) return false;
  }
  const first = value.charCodeAt(0);
  const final = value.charCodeAt(last);
  return first !== 0x20 && first !== 0x09 && final !== 0x20 && final !== 0x09;
}
