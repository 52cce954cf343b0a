/**
 * A protobuf message as one line: fields that are set, in order, by their names in the protocol.
 * Ids of 64 bits are hex, as etcd prints them. Passwords and tokens are never shown; hashes of
 * passwords are when asked for.
 */
import type { FieldInfo, MessageType } from "../../api/message-type.ts";
import { showBytes } from "./show-bytes.ts";

const SECRET_FIELDS: ReadonlySet<string> = new Set(["password", "hashedPassword", "simple_token"]);

export function describeMessage<T>(
  type: MessageType<T>,
  message: T,
  showsHashes: boolean = false,
): string {
  const parts: string[] = [];
  for (const field of type.fields) {
    const value = fieldValue(field, message as Record<string, unknown>);
    const values = Array.isArray(value) ? value : [value];
    for (const each of values) {
      if (!isSet(each, field)) continue;
      const text = describeValue(field, each, showsHashes);
      const separator = field.kind === "message" ? "" : "=";
      parts.push(`${field.protoName}${separator}${text}`);
    }
  }
  return parts.join(" ");
}

function fieldValue(field: FieldInfo, message: Record<string, unknown>): unknown {
  if (field.oneof === undefined) return message[field.name];
  const chosen = message[field.oneof] as { case: string; value: unknown } | undefined;
  return chosen?.case === field.name ? chosen.value : undefined;
}

/** Defaults say nothing, except inside a list or a oneof. */
function isSet(value: unknown, { repeated, oneof }: FieldInfo): boolean {
  if (value === undefined) return false;
  if (repeated || oneof !== undefined) return true;
  if (value instanceof Uint8Array) return value.length > 0;
  return value !== "" && value !== 0 && value !== 0n && value !== false;
}

function describeValue(field: FieldInfo, value: unknown, showsHashes: boolean): string {
  const isSecret = SECRET_FIELDS.has(field.protoName);
  if (isSecret && !(showsHashes && isHash(field))) return "(not shown)";
  if (field.message !== undefined) return `{${describeMessage(field.message, value, showsHashes)}}`;
  if (value instanceof Uint8Array) return showBytes(value);
  if (typeof value === "bigint") return BigInt.asUintN(64, value).toString(16);
  if (typeof value === "string") return JSON.stringify(value);
  const name = Object.entries(field.enumValues ?? {}).find(([, number]) => number === value)?.[0];
  return name ?? String(value);
}

/** A user's record has the hash under the name of the password, as bytes; passwords are text. */
function isHash({ protoName, kind }: FieldInfo): boolean {
  return protoName === "hashedPassword" || (protoName === "password" && kind === "bytes");
}
