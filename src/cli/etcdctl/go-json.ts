/**
 * JSON as Go's encoder writes etcd's messages: snake-case names, empty fields left out, bytes in
 * base64, 64-bit numbers bare, HTML characters escaped.
 */
import type { FieldInfo, MessageType } from "../../api/message-type.ts";

export type JsonValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | readonly JsonValue[]
  | { readonly [name: string]: JsonValue };

export function goJson(value: JsonValue): string {
  if (value === null) return "null";
  if (typeof value === "string") return quote(value);
  if (typeof value !== "object") return String(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString("base64")}"`;
  if (Array.isArray(value)) return `[${value.map(goJson).join(",")}]`;
  const members = Object.entries(value).map(([name, member]) => `${quote(name)}:${goJson(member)}`);
  return `{${members.join(",")}}`;
}

const TO_ESCAPE = /[<>&\u2028\u2029]/g;
const LONE_SURROGATE = /\p{Surrogate}/gu;

function quote(text: string): string {
  return JSON.stringify(text.replace(LONE_SURROGATE, "\ufffd")).replace(
    TO_ESCAPE,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A message by its descriptor. */
export function messageJson<T>(type: MessageType<T>, message: T): { [name: string]: JsonValue } {
  const result: { [name: string]: JsonValue } = {};
  const held = message as Record<string, unknown>;
  for (const field of type.fields) {
    if (field.oneof !== undefined) {
      const choice = held[field.oneof] as { case: string; value: unknown } | undefined;
      if (choice?.case !== field.name) continue;
      // Go keeps the alternatives behind an interface, whose field has no tag.
      result[capitalised(field.oneof)] = { [field.protoName]: fieldJson(field, choice.value) };
      continue;
    }
    const value = held[field.name];
    if (isEmpty(value)) continue;
    result[field.protoName] = field.repeated
      ? (value as unknown[]).map((each) => fieldJson(field, each))
      : fieldJson(field, value);
  }
  return result;
}

function fieldJson(field: FieldInfo, value: unknown): JsonValue {
  return field.message === undefined ? (value as JsonValue) : messageJson(field.message, value);
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === "" || value === 0 || value === 0n || value === false) {
    return true;
  }
  return (Array.isArray(value) || value instanceof Uint8Array) && value.length === 0;
}

function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}
