/**
 * Turns parsed files into what the emitter needs: types resolved across files, TypeScript names,
 * and which messages contain themselves. Checks everything that would give wrong code silently:
 * duplicate numbers and names, unknown types, options that do not fit.
 */

import { type ProtoEnum, type ProtoField, type ProtoFile, ProtoSyntaxError } from "./parser.ts";

export type Scalar =
  | "bool"
  | "bytes"
  | "string"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "fixed32"
  | "fixed64";
const SCALARS: ReadonlySet<string> = new Set<Scalar>([
  "bool",
  "bytes",
  "string",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "fixed32",
  "fixed64",
]);
const OPTIONS: ReadonlySet<string> = new Set(["jstype", "codegen.always", "codegen.saturate"]);

export interface Schema {
  readonly files: readonly FileSchema[];
}

export interface FileSchema {
  readonly name: string;
  /** Module name in gen/, without extension. */
  readonly module: string;
  readonly proto2: boolean;
  readonly packageName: string;
  readonly messages: MessageSchema[];
  readonly enums: EnumSchema[];
  readonly services: readonly ServiceSchema[];
}

export interface EnumSchema {
  readonly tsName: string;
  readonly module: string;
  readonly values: ProtoEnum["values"];
}

export interface MessageSchema {
  readonly tsName: string;
  readonly typeName: string;
  readonly module: string;
  /** Ascending by number. */
  readonly fields: FieldSchema[];
  /** True if a value can contain a message of the same type; then depth is limited. */
  recursive: boolean;
}

export interface FieldSchema {
  readonly number: number;
  readonly protoName: string;
  readonly tsName: string;
  readonly kind: Scalar | "enum" | "message";
  readonly repeated: boolean;
  /** Written even when zero. */
  readonly always: boolean;
  /** proto2 field that may be absent: undefined in TypeScript, or EMPTY_BYTES itself for bytes. */
  readonly optional: boolean;
  readonly jsNumber: boolean;
  readonly saturate: boolean;
  readonly packed: boolean;
  readonly lossyText: boolean;
  readonly oneof: string | undefined;
  readonly message: MessageSchema | undefined;
  readonly enumType: EnumSchema | undefined;
}

export interface ServiceSchema {
  readonly name: string;
  readonly fullName: string;
  readonly methods: readonly MethodSchema[];
}

export interface MethodSchema {
  readonly name: string;
  readonly kind: "unary" | "serverStream" | "clientStream" | "bidi";
  readonly request: MessageSchema;
  readonly response: MessageSchema;
}

type Named = { message: MessageSchema } | { enumType: EnumSchema };

/** A file that only declares options. */
function isOptionsFile(file: ProtoFile): boolean {
  return file.messages.length + file.enums.length + file.services.length === 0;
}

export function buildSchema(parsed: readonly ProtoFile[]): Schema {
  const names = new Map<string, Named>();
  const files: FileSchema[] = [];
  const sources = parsed.filter((file) => !isOptionsFile(file));
  const shells = sources.map((file) => declareTypes(file, names));
  sources.forEach((file, index) => {
    const shell = shells[index] as FileSchema;
    file.messages.forEach((message, position) => {
      const target = shell.messages[position] as MessageSchema;
      for (const field of message.fields) {
        target.fields.push(resolveField(file, message.name, field, names));
      }
      target.fields.sort((a, b) => a.number - b.number);
      checkUnique(file, message.name, target.fields);
    });
    files.push({ ...shell, services: resolveServices(file, names) });
  });
  for (const file of files) {
    for (const message of file.messages) message.recursive = reaches(message, message, new Set());
  }
  return { files };
}

function declareTypes(file: ProtoFile, names: Map<string, Named>): FileSchema {
  const module = file.name.replace(/\.proto$/, "");
  const messages: MessageSchema[] = [];
  const enums: EnumSchema[] = [];
  const declare = (name: string, named: Named): void => {
    const full = `${file.packageName}.${name}`;
    if (names.has(full)) throw new ProtoSyntaxError(file.name, 1, `${full} is defined twice`);
    names.set(full, named);
  };
  const declareEnum = (source: ProtoEnum, parent: string): void => {
    const prefix = parent === "" ? "" : `${parent}_`;
    const enumType = { tsName: prefix + source.name, module, values: source.values };
    enums.push(enumType);
    declare(parent === "" ? source.name : `${parent}.${source.name}`, { enumType });
  };
  for (const source of file.enums) declareEnum(source, "");
  for (const source of file.messages) {
    const message: MessageSchema = {
      tsName: source.name.charAt(0).toUpperCase() + source.name.slice(1),
      typeName: `${file.packageName}.${source.name}`,
      module,
      fields: [],
      recursive: false,
    };
    messages.push(message);
    declare(source.name, { message });
    for (const nested of source.enums) declareEnum(nested, source.name);
  }
  const proto2 = file.syntax === "proto2";
  const { name, packageName } = file;
  return { name, module, proto2, packageName, messages, enums, services: [] };
}

function resolve(
  file: ProtoFile,
  scope: string,
  type: string,
  names: Map<string, Named>,
): Named | undefined {
  return (
    names.get(`${file.packageName}.${scope}.${type}`) ??
    names.get(`${file.packageName}.${type}`) ??
    names.get(type)
  );
}

function resolveField(
  file: ProtoFile,
  scope: string,
  field: ProtoField,
  names: Map<string, Named>,
): FieldSchema {
  const fail = (text: string): never => {
    throw new ProtoSyntaxError(file.name, field.line, `${scope}.${field.name}: ${text}`);
  };
  for (const key of field.options.keys()) {
    if (!OPTIONS.has(key)) fail(`unknown option ${key}`);
  }
  if (field.number < 1 || field.number > 0x1fffffff) fail("field number out of range");
  const proto2 = file.syntax === "proto2";
  if (proto2 && field.label === "") fail("a proto2 field needs a label");
  const named = SCALARS.has(field.type) ? undefined : resolve(file, scope, field.type, names);
  if (named === undefined && !SCALARS.has(field.type)) fail(`unknown type ${field.type}`);
  const message = named !== undefined && "message" in named ? named.message : undefined;
  const enumType = named !== undefined && "enumType" in named ? named.enumType : undefined;
  const kind = message ? "message" : enumType ? "enum" : (field.type as Scalar);
  const is64 = kind === "int64" || kind === "uint64";
  const jsNumber = field.options.get("jstype") === "JS_NUMBER";
  const saturate = field.options.get("codegen.saturate") === "true";
  const always = field.options.get("codegen.always") === "true";
  if (jsNumber && !is64) fail("jstype is for 64-bit integers");
  if (saturate && !jsNumber) fail("saturate needs jstype = JS_NUMBER");
  if (always && (!proto2 || field.label !== "optional")) fail("always is for proto2 fields");
  const repeated = field.label === "repeated";
  const numeric = kind !== "message" && kind !== "bytes" && kind !== "string";
  return {
    number: field.number,
    protoName: field.name,
    tsName: lowerCamelCase(field.name),
    kind,
    repeated,
    always,
    optional: proto2 && !always && !repeated,
    jsNumber,
    saturate,
    packed: repeated && numeric && !proto2,
    lossyText: proto2,
    oneof: field.oneof === undefined ? undefined : lowerCamelCase(field.oneof),
    message,
    enumType,
  };
}

/** The JSON name rule of protobuf: an underscore goes, the letter behind it becomes a capital. */
export function lowerCamelCase(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function checkUnique(file: ProtoFile, message: string, fields: readonly FieldSchema[]): void {
  const numbers = new Set(fields.map((field) => field.number));
  const names = new Set(fields.map((field) => field.tsName));
  if (numbers.size < fields.length || names.size < fields.length) {
    throw new ProtoSyntaxError(file.name, 1, `${message} uses a number or name twice`);
  }
}

function resolveServices(file: ProtoFile, names: Map<string, Named>): ServiceSchema[] {
  const messageOf = (type: string): MessageSchema => {
    const named = resolve(file, "", type, names);
    if (named === undefined || !("message" in named)) {
      throw new ProtoSyntaxError(file.name, 1, `unknown message ${type} in a service`);
    }
    return named.message;
  };
  return file.services.map((service) => ({
    name: service.name,
    fullName: `${file.packageName}.${service.name}`,
    methods: service.methods.map((method) => ({
      name: method.name,
      kind: method.clientStreaming
        ? method.serverStreaming
          ? "bidi"
          : "clientStream"
        : method.serverStreaming
          ? "serverStream"
          : "unary",
      request: messageOf(method.request),
      response: messageOf(method.response),
    })),
  }));
}

function reaches(from: MessageSchema, goal: MessageSchema, seen: Set<MessageSchema>): boolean {
  for (const field of from.fields) {
    const next = field.message;
    if (next === undefined) continue;
    if (next === goal) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    if (reaches(next, goal, seen)) return true;
  }
  return false;
}
