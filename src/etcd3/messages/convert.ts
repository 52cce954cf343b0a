/**
 * etcd's messages in the form that npm `etcd3` gives them, and back: names as in the .proto files,
 * 64-bit integers as decimal text, bytes as `Buffer`, enums by name, absent messages as null. It
 * goes by the descriptors of the codecs, so a field that etcd gains is there at once.
 */
import type { FieldInfo, MessageType } from "../../api/message-type.ts";
import { viewAsBuffer } from "../../base/bytes.ts";

type Row = Record<string, unknown>;

/** What a caller has written, as a message. Throws `TypeError` for a value that does not fit. */
export function toMessage<T>(type: MessageType<T>, raw: object): T {
  const init: Row = {};
  for (const field of type.fields) {
    const given = (raw as Row)[field.protoName];
    if (given === undefined || given === null) continue;
    const value = field.repeated
      ? (given as readonly unknown[]).map((item) => toValue(field, item))
      : toValue(field, given);
    if (field.oneof === undefined) init[field.name] = value;
    else init[field.oneof] = { case: field.name, value };
  }
  return type.create(init as Partial<T>);
}

function toValue(field: FieldInfo, given: unknown): unknown {
  switch (field.kind) {
    case "message":
      return toMessage(field.message as MessageType<unknown>, given as object);
    case "bytes":
      return typeof given === "string" ? Buffer.from(given) : given;
    case "enum":
      return enumNumber(field, given);
    case "int64":
    case "uint64":
      return field.jsNumber ? safeInteger(field, given) : toBigInt(field, given);
    case "int32":
    case "uint32":
      return safeInteger(field, given);
    default:
      return given;
  }
}

function safeInteger(field: FieldInfo, given: unknown): number {
  const value = Number(given);
  if (Number.isSafeInteger(value)) return value;
  throw new TypeError(`${field.protoName} must be a whole number, not ${String(given)}`);
}

function toBigInt(field: FieldInfo, given: unknown): bigint {
  try {
    return BigInt(given as string | number | bigint);
  } catch {
    throw new TypeError(`${field.protoName} must be a whole number, not ${String(given)}`);
  }
}

function enumNumber(field: FieldInfo, given: unknown): number {
  if (typeof given === "number") return given;
  for (const [name, value] of Object.entries(field.enumValues ?? {})) {
    if (name === given || spelled(name) === given) return value;
  }
  throw new TypeError(`${field.protoName} has no value ${String(given)}`);
}

/** "NOT_EQUAL" as "NotEqual". */
function spelled(name: string): string {
  const words = name.toLowerCase().split("_");
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

/** A message as a caller gets it. */
export function fromMessage<T>(type: MessageType<T>, message: T): unknown {
  const raw: Row = {};
  for (const field of type.fields) {
    const value = fieldOf(field, message as Row);
    if (value === undefined && field.oneof !== undefined) continue;
    raw[field.protoName] = field.repeated
      ? (value as readonly unknown[]).map((item) => fromValue(field, item))
      : fromValue(field, value);
  }
  return raw;
}

function fieldOf(field: FieldInfo, message: Row): unknown {
  if (field.oneof === undefined) return message[field.name];
  const member = message[field.oneof] as { case: string; value: unknown } | undefined;
  return member?.case === field.name ? member.value : undefined;
}

function fromValue(field: FieldInfo, value: unknown): unknown {
  switch (field.kind) {
    case "message":
      return value === undefined ? null : fromMessage(field.message as MessageType<unknown>, value);
    case "bytes":
      return viewAsBuffer(value as Uint8Array);
    case "enum": {
      const entries = Object.entries(field.enumValues ?? {});
      const name = entries.find(([, number]) => number === value)?.[0];
      return name === undefined ? value : spelled(name);
    }
    case "int64":
    case "uint64":
      return String(value);
    default:
      return value;
  }
}
