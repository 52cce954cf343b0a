/** What the emitters share: an indenting text buffer, and the TypeScript side of a field. */

import type { FieldSchema, MessageSchema } from "./schema.ts";

export class CodeWriter {
  readonly #lines: string[] = [];
  #indent = "";

  line(text: string): void {
    this.#lines.push(text === "" ? "" : this.#indent + text);
  }

  /** `head`, the lines indented, `tail`. */
  block(head: string, lines: readonly string[], tail: string): void {
    this.line(head);
    this.indented(() => {
      for (const line of lines) this.line(line);
    });
    this.line(tail);
  }

  indented(emit: () => void): void {
    const outer = this.#indent;
    this.#indent = `${outer}  `;
    emit();
    this.#indent = outer;
  }

  text(): string {
    return `${this.#lines.join("\n").trimEnd()}\n`;
  }
}

/** Type of one value of the field. */
export function elementType(field: FieldSchema): string {
  switch (field.kind) {
    case "bool":
      return "boolean";
    case "bytes":
      return "Uint8Array";
    case "string":
      return "string";
    case "int32":
    case "uint32":
    case "fixed32":
      return "number";
    case "fixed64":
      return "bigint";
    case "int64":
    case "uint64":
      return field.jsNumber ? "number" : "bigint";
    case "enum":
      return field.enumType?.tsName ?? "number";
    case "message":
      return field.message?.tsName ?? "never";
  }
}

export function propertyType(field: FieldSchema): string {
  const element = elementType(field);
  if (field.repeated) return `${element}[]`;
  if (field.kind === "bytes") return element;
  if (field.kind === "message") return field.always ? element : `${element} | undefined`;
  return field.optional ? `${element} | undefined` : element;
}

/** Expression for an absent field. */
export function defaultValue(field: FieldSchema): string {
  if (field.repeated) return "[]";
  if (field.kind === "message")
    return field.always ? `${elementType(field)}.create()` : "undefined";
  if (field.kind === "bytes") return "EMPTY_BYTES";
  return field.optional ? "undefined" : zeroValue(field);
}

/** The zero of a scalar's type. */
export function zeroValue(field: FieldSchema): string {
  switch (field.kind) {
    case "bool":
      return "false";
    case "string":
      return '""';
    case "bytes":
      return "EMPTY_BYTES";
    case "int64":
    case "uint64":
      return field.jsNumber ? "0" : "0n";
    case "fixed64":
      return "0n";
    default:
      return "0";
  }
}

/** False for all members of a oneof but the first, which stands for the property. */
export function isOwnProperty(message: MessageSchema, field: FieldSchema): boolean {
  if (field.oneof === undefined) return true;
  return message.fields.find((other) => other.oneof === field.oneof) === field;
}

/** Wire type of one value outside packed form. */
export function wireType({ kind }: FieldSchema): 0 | 1 | 2 | 5 {
  if (kind === "fixed64") return 1;
  if (kind === "fixed32") return 5;
  return kind === "bytes" || kind === "string" || kind === "message" ? 2 : 0;
}

export function tagOf(field: FieldSchema, wire: number): number {
  return ((field.number << 3) | wire) >>> 0;
}

/** The varint bytes of a tag. */
export function tagBytes(tag: number): number[] {
  const bytes: number[] = [];
  for (let rest = tag; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}
