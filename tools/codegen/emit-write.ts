/** Emits `sizeX` and `prependX`: exact size first, then the bytes from the last field backwards. */

import {
  type CodeWriter,
  elementType,
  tagBytes,
  tagOf,
  wireType,
  zeroValue,
} from "./emit-types.ts";
import type { FieldSchema, MessageSchema } from "./schema.ts";

export function emitSize(out: CodeWriter, message: MessageSchema): void {
  const name = message.tsName;
  if (message.fields.length === 0) {
    out.block(`export function size${name}(_m: ${name}): number {`, ["return 0;"], "}");
    out.line("");
    return;
  }
  const lines: string[] = ["let size = 0;"];
  forEachGroup(message.fields, lines, (field) => sizeField(field));
  lines.push("return size;");
  out.block(`export function size${name}(m: ${name}): number {`, lines, "}");
  out.line("");
}

export function emitPrepend(out: CodeWriter, message: MessageSchema): void {
  const name = message.tsName;
  if (message.fields.length === 0) {
    const head = `export function prepend${name}(_b: Buffer, at: number, _m: ${name}): number {`;
    out.block(head, ["return at;"], "}");
    out.line("");
    return;
  }
  const lines: string[] = ["let at = end;"];
  forEachGroup([...message.fields].reverse(), lines, (field) => prependField(field));
  lines.push("return at;");
  out.block(
    `export function prepend${name}(b: Buffer, end: number, m: ${name}): number {`,
    lines,
    "}",
  );
  out.line("");
}

/** Oneof members share one local for the property. */
function forEachGroup(
  fields: readonly FieldSchema[],
  lines: string[],
  emit: (field: FieldSchema) => string[],
): void {
  const declared = new Set<string>();
  for (const field of fields) {
    if (field.oneof !== undefined && !declared.has(field.oneof)) {
      declared.add(field.oneof);
      lines.push(`const ${field.oneof} = m.${field.oneof};`);
    }
    lines.push(...emit(field));
  }
}

/** Condition under which a singular field is on the wire; undefined means always. */
function presence(field: FieldSchema, value: string): string | undefined {
  if (field.always) return undefined;
  if (field.kind === "message") return `${value} !== undefined`;
  if (field.optional) return `${value} !== ${field.kind === "bytes" ? "EMPTY_BYTES" : "undefined"}`;
  if (field.kind === "bytes") return `${value}.length !== 0`;
  if (field.kind === "bool") return value;
  return `${value} !== ${zeroValue(field)}`;
}

function guarded(field: FieldSchema, lines: (value: string) => string[]): string[] {
  if (field.oneof !== undefined) {
    const body = lines(`${field.oneof}.value`);
    return [
      `if (${field.oneof} !== undefined && ${field.oneof}.case === "${field.tsName}") {`,
      ...body.map((line) => `  ${line}`),
      "}",
    ];
  }
  const value = `m.${field.tsName}`;
  const condition = presence(field, value);
  const body = lines(value);
  if (condition === undefined) return body;
  return [`if (${condition}) {`, ...body.map((line) => `  ${line}`), "}"];
}

function sizeField(field: FieldSchema): string[] {
  const tagSize = tagBytes(tagOf(field, wireType(field))).length;
  if (!field.repeated) {
    return guarded(field, (value) => [`size += ${sizeWithTag(field, value, tagSize)};`]);
  }
  const list = `m.${field.tsName}`;
  const element = `${list}[i] as ${elementType(field)}`;
  if (!field.packed) {
    return [
      `for (let i = 0; i < ${list}.length; i++) {`,
      `  size += ${sizeWithTag(field, element, tagSize)};`,
      "}",
    ];
  }
  return [
    `if (${list}.length !== 0) {`,
    "  let packed = 0;",
    `  for (let i = 0; i < ${list}.length; i++) packed += ${sizeValue(field, element)};`,
    `  size += ${tagSize} + sizeDelimited(packed);`,
    "}",
  ];
}

function sizeWithTag(field: FieldSchema, value: string, tagSize: number): string {
  const fixed = FIXED_BYTES[field.kind];
  if (fixed !== undefined) return `${tagSize + fixed}`;
  return `${tagSize} + ${sizeValue(field, value)}`;
}

/** Kinds whose values are all of one size. */
const FIXED_BYTES: Readonly<Partial<Record<FieldSchema["kind"], number>>> = {
  bool: 1,
  fixed32: 4,
  fixed64: 8,
};

function sizeValue(field: FieldSchema, value: string): string {
  switch (field.kind) {
    case "bool":
      return "1";
    case "fixed32":
      return "4";
    case "fixed64":
      return "8";
    case "bytes":
      return value.includes(" as ")
        ? `sizeDelimited((${value}).length)`
        : `sizeDelimited(${value}.length)`;
    case "string":
      return `sizeDelimited(sizeString(${value}))`;
    case "uint32":
      return `sizeVarint32(${value})`;
    case "int32":
    case "enum":
      return `sizeInt32(${value})`;
    case "int64":
    case "uint64":
      return field.jsNumber ? `sizeNumber(${value})` : `sizeBigInt(${value})`;
    case "message":
      return `sizeDelimited(size${elementType(field)}(${value}))`;
  }
}

function prependField(field: FieldSchema): string[] {
  const tag = prependTag(tagOf(field, wireType(field)));
  if (!field.repeated) return guarded(field, (value) => [...prependValue(field, value), ...tag]);
  const list = `m.${field.tsName}`;
  const element = `${list}[i] as ${elementType(field)}`;
  const loop = `for (let i = ${list}.length - 1; i >= 0; i--) {`;
  if (!field.packed) {
    const body = [...prependValue(field, element), ...tag].map((line) => `  ${line}`);
    return [loop, ...body, "}"];
  }
  return [
    `if (${list}.length !== 0) {`,
    `  const end${field.number} = at;`,
    `  ${loop}`,
    ...prependValue(field, element).map((line) => `    ${line}`),
    "  }",
    `  at = prependVarint32(b, at, end${field.number} - at);`,
    ...prependTag(tagOf(field, 2)).map((line) => `  ${line}`),
    "}",
  ];
}

function prependTag(tag: number): string[] {
  return tagBytes(tag)
    .reverse()
    .map((byte) => `b[--at] = ${byte};`);
}

function prependValue(field: FieldSchema, value: string): string[] {
  switch (field.kind) {
    case "bool":
      if (field.always || field.optional || field.oneof !== undefined || field.repeated) {
        return [`b[--at] = ${value} ? 1 : 0;`];
      }
      return ["b[--at] = 1;"];
    case "bytes":
      return [`at = prependBytes(b, at, ${value});`];
    case "string":
      return [`at = prependString(b, at, ${value});`];
    case "uint32":
      return [`at = prependVarint32(b, at, ${value});`];
    case "fixed32":
      return [`at = b.writeUInt32LE(${value}, at - 4) - 4;`];
    case "fixed64":
      return [`at = b.writeBigUInt64LE(${value}, at - 8) - 8;`];
    case "int32":
    case "enum":
      return [`at = prependInt32(b, at, ${value});`];
    case "int64":
    case "uint64":
      return [`at = ${field.jsNumber ? "prependNumber" : "prependBigInt"}(b, at, ${value});`];
    case "message":
      return [
        `const end${field.number} = at;`,
        `at = prepend${elementType(field)}(b, at, ${value});`,
        `at = prependVarint32(b, at, end${field.number} - at);`,
      ];
  }
}
