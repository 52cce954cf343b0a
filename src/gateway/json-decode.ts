/**
 * JSON to protobuf messages by descriptor, as etcd's gateway reads it (protojson with unknown
 * fields discarded): names in proto or lower camel case, 64-bit integers as numbers or strings,
 * bytes in standard or URL-safe base64, enums by name or number, `null` for absent. A field given
 * twice, under whichever of its names, is refused, and so is a second member of a oneof.
 */

import type { FieldInfo, MessageType } from "../api/message-type.ts";
import { JsonError, JsonReader } from "./json-reader.ts";

type Row = Record<string, unknown>;

/** A message type with its fields by JSON name. */
interface Plan {
  readonly type: MessageType<unknown>;
  readonly byKey: ReadonlyMap<string, FieldInfo>;
}

const plans = new WeakMap<object, Plan>();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes the first JSON value in `body`; what follows it is ignored, as the gateway of etcd does,
 * and an empty body is an empty message. Throws `JsonError`.
 */
export function decodeJson<T>(type: MessageType<T>, body: Uint8Array): T {
  let text: string;
  try {
    text = strictUtf8.decode(body);
  } catch {
    throw new JsonError("proto: invalid UTF-8 in JSON");
  }
  const reader = new JsonReader(text);
  if (reader.atEnd) return type.create();
  return readMessage(reader, planOf(type)) as T;
}

function planOf(type: MessageType<unknown>): Plan {
  let plan = plans.get(type);
  if (plan === undefined) {
    const byKey = new Map<string, FieldInfo>();
    for (const field of type.fields) {
      byKey.set(field.jsonName, field);
      byKey.set(field.protoName, field);
    }
    plan = { type, byKey };
    plans.set(type, plan);
  }
  return plan;
}

function readMessage(reader: JsonReader, plan: Plan): unknown {
  if (reader.peek() !== "object") throw unexpectedToken(reader);
  const message = plan.type.create() as Row;
  const seen = new Set<FieldInfo>();
  reader.readObject((key, keyStart, keyEnd) => {
    const field = plan.byKey.get(key);
    if (field === undefined) {
      reader.skipValue();
      return;
    }
    if (seen.has(field)) {
      throw invalid(reader, keyStart, `duplicate field ${reader.raw(keyStart, keyEnd)}`);
    }
    seen.add(field);
    if (reader.peek() === "null") {
      reader.readLiteral("null");
      return;
    }
    if (field.oneof !== undefined) {
      if (message[field.oneof] !== undefined) {
        const oneof = `${plan.type.typeName}.${snakeCase(field.oneof)}`;
        const shown = reader.raw(keyStart, keyEnd);
        throw invalid(reader, keyStart, `error parsing ${shown}, oneof ${oneof} is already set`);
      }
      const value = readValue(reader, field);
      if (value !== undefined) message[field.oneof] = { case: field.name, value };
    } else if (field.repeated) {
      message[field.name] = readList(reader, field);
    } else {
      const value = readValue(reader, field);
      if (value !== undefined) message[field.name] = value;
    }
  });
  return message;
}

function readList(reader: JsonReader, field: FieldInfo): unknown[] {
  if (reader.peek() !== "array") throw unexpectedToken(reader);
  const list: unknown[] = [];
  reader.readArray(() => {
    const value = readValue(reader, field);
    if (value !== undefined) list.push(value);
  });
  return list;
}

/** Undefined for the name of an unknown enum value, which counts as an unknown field. */
function readValue(reader: JsonReader, field: FieldInfo): unknown {
  if (field.message !== undefined) return readMessage(reader, planOf(field.message));
  const kind = reader.peek();
  const start = reader.at;
  if (kind === "object" || kind === "array") {
    throw invalidValue(reader, field, start, reader.rawToken());
  }
  let text: string | undefined;
  if (kind === "string") text = reader.readString();
  else if (kind === "number") text = reader.readNumber();
  else reader.readLiteral(kind);
  const value = convert(field, kind, text);
  if (value === INVALID) throw invalidValue(reader, field, start, reader.raw(start));
  return value;
}

const INVALID = Symbol("invalid");

function convert(field: FieldInfo, kind: string, text: string | undefined): unknown {
  switch (field.kind) {
    case "bool":
      return kind === "true" ? true : kind === "false" ? false : INVALID;
    case "string":
      return kind === "string" ? text : INVALID;
    case "bytes":
      return kind === "string" ? (parseBase64(text ?? "") ?? INVALID) : INVALID;
    case "enum":
      return convertEnum(field, kind, text ?? "");
    default:
      if (text === undefined) return INVALID;
      return convertInteger(field, parseInteger(text));
  }
}

function convertEnum(field: FieldInfo, kind: string, text: string): unknown {
  if (kind === "string") {
    const values = field.enumValues ?? {};
    return Object.hasOwn(values, text) ? values[text] : undefined;
  }
  if (kind !== "number") return INVALID;
  const value = parseInteger(text);
  return value !== undefined && BigInt.asIntN(32, value) === value ? Number(value) : INVALID;
}

function convertInteger(field: FieldInfo, value: bigint | undefined): unknown {
  if (value === undefined) return INVALID;
  switch (field.kind) {
    case "int32":
      return BigInt.asIntN(32, value) === value ? Number(value) : INVALID;
    case "uint32":
      return BigInt.asUintN(32, value) === value ? Number(value) : INVALID;
    case "uint64":
      if (BigInt.asUintN(64, value) !== value) return INVALID;
      break;
    default:
      if (BigInt.asIntN(64, value) !== value) return INVALID;
  }
  return field.jsNumber ? saturate(value) : value;
}

/** As the codecs treat client input: no revision or count ever gets beyond the safe integers. */
function saturate(value: bigint): number {
  const number = Number(value);
  if (number > Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
  return number < Number.MIN_SAFE_INTEGER ? Number.MIN_SAFE_INTEGER : number;
}

const DECIMAL = /^(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?$/;
/** Digits of the largest uint64. */
const MAX_INTEGER_DIGITS = 20;

/** The integer that a JSON number denotes ("12", "1.0", "1e3"), or undefined. */
export function parseInteger(text: string): bigint | undefined {
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponentText = "0"] = match;
  if (fraction === "" && match[4] === undefined) {
    return whole.length > MAX_INTEGER_DIGITS ? undefined : BigInt(sign + whole);
  }
  const digits = `${whole}${fraction}`.replace(/^0+/, "");
  if (digits === "") return 0n;
  const significant = digits.replace(/0+$/, "");
  const exponent = Number(exponentText) - fraction.length + (digits.length - significant.length);
  if (!(exponent >= 0) || significant.length + exponent > MAX_INTEGER_DIGITS) return undefined;
  return BigInt(`${sign}${significant}${"0".repeat(exponent)}`);
}

const STANDARD_ALPHABET = /^[A-Za-z0-9+/]*$/;
const URL_ALPHABET = /^[A-Za-z0-9_-]*$/;

/**
 * Base64 as protojson takes it: the URL-safe alphabet if "-" or "_" occurs, padding only where the
 * length is a multiple of four, line breaks ignored. Undefined if it is malformed.
 */
export function parseBase64(text: string): Uint8Array | undefined {
  const alphabet = text.includes("-") || text.includes("_") ? URL_ALPHABET : STANDARD_ALPHABET;
  const padded = text.length % 4 === 0;
  const content = text.includes("\n") || text.includes("\r") ? text.replace(/[\r\n]/g, "") : text;
  let length = content.length;
  if (padded) {
    if (length % 4 !== 0) return undefined;
    if (content.endsWith("==")) length -= 2;
    else if (content.endsWith("=")) length -= 1;
  } else if (length % 4 === 1) return undefined;
  if (!alphabet.test(length === content.length ? content : content.slice(0, length))) {
    return undefined;
  }
  return Buffer.from(content, "base64");
}

function unexpectedToken(reader: JsonReader): JsonError {
  const raw = reader.rawToken();
  return new JsonError(
    `proto: syntax error (${reader.position(reader.at)}): unexpected token ${raw}`,
  );
}

function invalidValue(reader: JsonReader, field: FieldInfo, at: number, raw: string): JsonError {
  return invalid(reader, at, `invalid value for ${field.kind} field ${field.jsonName}: ${raw}`);
}

function invalid(reader: JsonReader, at: number, message: string): JsonError {
  return new JsonError(`proto: (${reader.position(at)}): ${message}`);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
