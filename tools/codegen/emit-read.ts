/** Emits `readX`: a loop over tags with one case per field, then one object literal. */

import {
  type CodeWriter,
  defaultValue,
  elementType,
  isOwnProperty,
  propertyType,
  tagOf,
  wireType,
} from "./emit-types.ts";
import type { FieldSchema, MessageSchema } from "./schema.ts";

export function emitRead(out: CodeWriter, message: MessageSchema): void {
  const name = message.tsName;
  const depth = message.recursive ? ", depth: number" : "";
  out.line(`export function read${name}(b: Buffer, start: number, end: number${depth}): ${name} {`);
  out.indented(() => {
    if (message.recursive) out.line("if (depth > MAX_NESTING) throw nestedTooDeeply(start);");
    for (const field of message.fields) {
      if (isOwnProperty(message, field)) out.line(declaration(message, field));
    }
    out.line("let at = start;");
    out.line("while (at < end) {");
    out.indented(() => {
      out.line("let tag = b[at++] as number;");
      out.line("if (tag > 0x7f) {");
      out.line("  tag = readTag(b, at - 1, end);");
      out.line("  at = cursor.at;");
      out.line("}");
      emitTagSwitch(out, message);
    });
    out.line("}");
    emitResult(out, message);
  });
  out.line("}");
  out.line("");
}

/** Locals carry the field number, so that they never shadow anything. */
function local(field: FieldSchema): string {
  return field.oneof === undefined ? `f${field.number}` : field.oneof;
}

function declaration(message: MessageSchema, field: FieldSchema): string {
  if (field.oneof !== undefined) {
    return `let ${field.oneof}: ${message.tsName}["${field.oneof}"];`;
  }
  const late = field.kind === "message" && !field.repeated;
  if (late) return `let ${local(field)}: ${elementType(field)} | undefined;`;
  const keyword = field.repeated ? "const" : "let";
  return `${keyword} ${local(field)}: ${propertyType(field)} = ${defaultValue(field)};`;
}

function emitTagSwitch(out: CodeWriter, message: MessageSchema): void {
  if (message.fields.length === 0) {
    out.line("at = skipField(b, at, end, tag);");
    return;
  }
  out.line("switch (tag) {");
  out.indented(() => {
    for (const field of message.fields) emitCases(out, message, field);
    out.line("default:");
    out.indented(() => {
      // gogo-proto refuses a known field with another wire type; the log reader depends on it to
      // tell a v2 request from an InternalRaftRequest.
      out.line("switch (tag >>> 3) {");
      out.indented(() => {
        for (const field of message.fields) out.line(`case ${field.number}:`);
        out.line(`  throw wrongWireType(tag, "${message.typeName}", at);`);
      });
      out.line("}");
      out.line("at = skipField(b, at, end, tag);");
    });
  });
  out.line("}");
}

function emitCases(out: CodeWriter, message: MessageSchema, field: FieldSchema): void {
  const body = wireType(field) === 2 ? readDelimited(message, field) : readPlain(field);
  out.block(`case ${tagOf(field, wireType(field))}: {`, [...body, "break;"], "}");
  if (!field.repeated || wireType(field) === 2) return;
  const packed = [
    "const n = readLength(b, at, end);",
    "at = cursor.at;",
    "for (const stop = at + n; at < stop; at = cursor.at) {",
    `  ${local(field)}.push(${plainReader(field)}(b, at, stop));`,
    "}",
    "break;",
  ];
  out.block(`case ${tagOf(field, 2)}: {`, packed, "}");
}

function store(field: FieldSchema, value: string): string {
  if (field.oneof !== undefined) {
    return `${field.oneof} = { case: "${field.tsName}", value: ${value} };`;
  }
  return field.repeated ? `${local(field)}.push(${value});` : `${local(field)} = ${value};`;
}

function plainReader(field: FieldSchema): string {
  switch (field.kind) {
    case "bool":
      return "readBool";
    case "uint32":
      return "readUint32";
    case "fixed32":
      return "readFixed32";
    case "fixed64":
      return "readFixed64";
    case "int64":
      if (field.saturate) return "readInt64Saturated";
      return field.jsNumber ? "readInt64AsNumber" : "readInt64";
    case "uint64":
      if (field.saturate) return "readUint64Saturated";
      return field.jsNumber ? "readUint64AsNumber" : "readUint64";
    default:
      return "readInt32";
  }
}

function readPlain(field: FieldSchema): string[] {
  return [store(field, `${plainReader(field)}(b, at, end)`), "at = cursor.at;"];
}

function readDelimited(message: MessageSchema, field: FieldSchema): string[] {
  const head = ["const n = readLength(b, at, end);", "at = cursor.at;"];
  const advance = "at += n;";
  if (field.kind === "bytes") {
    const view = "b.subarray(at, at + n)";
    const keepsEmpty = field.optional;
    return [...head, store(field, keepsEmpty ? view : `n === 0 ? EMPTY_BYTES : ${view}`), advance];
  }
  if (field.kind === "string") {
    const reader = field.lossyText ? "readStringLossy" : "readString";
    return [...head, store(field, `${reader}(b, at, at + n)`), advance];
  }
  const type = elementType(field);
  const depth = !field.message?.recursive ? "" : message.recursive ? ", depth + 1" : ", 0";
  const plain = store(field, `read${type}(b, at, at + n${depth})`);
  if (field.repeated || field.oneof !== undefined) return [...head, plain, advance];
  return [
    ...head,
    `if (${local(field)} === undefined) {`,
    `  ${plain}`,
    "} else {",
    `  const merged = concatenated(${type}.encode(${local(field)}), b, at, at + n);`,
    `  ${local(field)} = read${type}(merged, 0, merged.length${depth});`,
    "}",
    advance,
  ];
}

function emitResult(out: CodeWriter, message: MessageSchema): void {
  const own = message.fields.filter((field) => isOwnProperty(message, field));
  if (own.length === 0) {
    out.line("return {};");
    return;
  }
  const properties = own.map((field) => {
    if (field.oneof !== undefined) return `${field.oneof},`;
    const late = field.kind === "message" && !field.repeated && field.always;
    const value = late ? `${local(field)} ?? ${defaultValue(field)}` : local(field);
    return `${field.tsName}: ${value},`;
  });
  out.block("return {", properties, "};");
}
