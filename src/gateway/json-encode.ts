/**
 * Protobuf messages to JSON by descriptor, as etcd's gateway writes it: names as in the .proto
 * files, 64-bit integers as strings, bytes in padded standard base64, enums by name, defaults left
 * out, members of a oneof always there, no white space.
 */

import type { FieldInfo, MessageType } from "../api/message-type.ts";
import { viewAsBuffer } from "../base/bytes.ts";

type Row = Readonly<Record<string, unknown>>;

interface PlanField {
  readonly info: FieldInfo;
  /** `"name":` */
  readonly key: string;
  readonly enumNames: ReadonlyMap<number, string> | undefined;
}

const plans = new WeakMap<object, readonly PlanField[]>();

/**
 * `escapeHtml` writes `<`, `>` and `&` in strings as `\u003c` and so on, which Go's encoder does in
 * the chunks of a stream but not in single answers.
 */
export function encodeJson<T>(type: MessageType<T>, message: T, escapeHtml = false): string {
  return writeMessage(planOf(type), message as Row, escapeHtml);
}

/**
 * A message that comes in pieces, each a message by itself with the next of the fields. The texts
 * together are what `encodeJson` gives for the whole.
 */
export class JsonPieces {
  readonly #plan: readonly PlanField[];
  /** The repeated field whose list is not closed. */
  #open: PlanField | undefined;
  #begun = false;

  constructor(type: MessageType<unknown>) {
    this.#plan = planOf(type);
  }

  add(message: unknown): string {
    let text = "";
    for (const field of this.#plan) {
      const written = writeField(field, message as Row, false);
      if (written !== "") text += this.#append(field, written);
    }
    return text;
  }

  #append(field: PlanField, written: string): string {
    // A list stays open; its first bracket is written once.
    const { repeated } = field.info;
    const value = repeated ? written.slice(0, -1) : written;
    if (this.#open === field) return `,${value.slice(1)}`;
    const before = `${this.#closeList()}${this.#begun ? "," : "{"}`;
    this.#begun = true;
    this.#open = repeated ? field : undefined;
    return before + field.key + value;
  }

  end(): string {
    return this.#begun ? `${this.#closeList()}}` : "{}";
  }

  #closeList(): string {
    return this.#open === undefined ? "" : "]";
  }
}

function planOf(type: MessageType<unknown>): readonly PlanField[] {
  let plan = plans.get(type);
  if (plan === undefined) {
    plan = type.fields.map((info) => ({
      info,
      key: `${JSON.stringify(info.protoName)}:`,
      enumNames:
        info.enumValues === undefined
          ? undefined
          : new Map(Object.entries(info.enumValues).map(([name, value]) => [value, name])),
    }));
    plans.set(type, plan);
  }
  return plan;
}

function writeMessage(plan: readonly PlanField[], message: Row, escapeHtml: boolean): string {
  let text = "{";
  for (const field of plan) {
    const written = writeField(field, message, escapeHtml);
    if (written === "") continue;
    text += text === "{" ? field.key + written : `,${field.key}${written}`;
  }
  return `${text}}`;
}

/** The value's JSON, or "" if it is not to be shown. */
function writeField(field: PlanField, message: Row, escapeHtml: boolean): string {
  const { info } = field;
  if (info.oneof !== undefined) {
    const choice = message[info.oneof] as { case: string; value: unknown } | undefined;
    if (choice === undefined || choice.case !== info.name) return "";
    return writeValue(field, choice.value, escapeHtml);
  }
  const value = message[info.name];
  if (info.repeated) {
    const list = value as readonly unknown[];
    if (list.length === 0) return "";
    let text = `[${writeValue(field, list[0], escapeHtml)}`;
    for (let i = 1; i < list.length; i++) text += `,${writeValue(field, list[i], escapeHtml)}`;
    return `${text}]`;
  }
  return isDefault(info, value) ? "" : writeValue(field, value, escapeHtml);
}

function isDefault(info: FieldInfo, value: unknown): boolean {
  if (info.kind === "bytes") return (value as Uint8Array).length === 0;
  return value === undefined || value === 0 || value === "" || value === false || value === 0n;
}

function writeValue(field: PlanField, value: unknown, escapeHtml: boolean): string {
  const { info } = field;
  switch (info.kind) {
    case "bytes":
      return `"${viewAsBuffer(value as Uint8Array).toString("base64")}"`;
    case "int64":
    case "uint64":
      return `"${value as number | bigint}"`;
    case "string":
      return quote(value as string, escapeHtml);
    case "message":
      return writeMessage(planOf(info.message as MessageType<unknown>), value as Row, escapeHtml);
    case "enum": {
      const name = field.enumNames?.get(value as number);
      return name === undefined ? String(value) : `"${name}"`;
    }
    default:
      return String(value);
  }
}

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  "<": "\\u003c",
  ">": "\\u003e",
  "&": "\\u0026",
  "\u2028": "\\u2028",
  "\u2029": "\\u2029",
};

/** A JSON string. */
export function quote(text: string, escapeHtml: boolean): string {
  const quoted = JSON.stringify(text);
  if (!escapeHtml) return quoted;
  return quoted.replace(/[<>&\u2028\u2029]/g, (unit) => HTML_ESCAPES[unit] ?? unit);
}
