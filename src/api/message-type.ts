/** What every generated codec offers. The codecs are in gen/, made by tools/codegen from proto/. */

/** How a field is held and encoded. Enums are numbers; 64-bit kinds see `jsNumber`. */
export type FieldKind =
  | "bool"
  | "bytes"
  | "string"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "enum"
  | "message";

export interface FieldInfo {
  readonly number: number;
  /** Property name in the TypeScript object. For a member of a oneof: its `case`. */
  readonly name: string;
  /** Name in the .proto file; the JSON gateway writes this one. */
  readonly protoName: string;
  /** Lower camel case name, which JSON readers must accept as well. */
  readonly jsonName: string;
  readonly kind: FieldKind;
  /** True if a 64-bit integer is held as `number`, false if as `bigint`. */
  readonly jsNumber: boolean;
  readonly repeated: boolean;
  /** Property that holds `{ case, value }`, if the field is a member of a oneof. */
  readonly oneof: string | undefined;
  readonly message: MessageType<unknown> | undefined;
  /** Names and numbers of the enum's values. */
  readonly enumValues: Readonly<Record<string, number>> | undefined;
}

/** For the generated code: a descriptor row with the rare properties left out. */
export function fieldInfo(
  number: number,
  name: string,
  protoName: string,
  kind: FieldKind,
  more: Partial<FieldInfo> = {},
): FieldInfo {
  return {
    number,
    name,
    protoName,
    // The naming rule of our objects is the one of protobuf's JSON mapping.
    jsonName: name,
    kind,
    jsNumber: more.jsNumber ?? false,
    repeated: more.repeated ?? false,
    oneof: more.oneof,
    message: more.message,
    enumValues: more.enumValues,
  };
}

export interface MessageType<T> {
  /** Full protobuf name, such as "etcdserverpb.RangeRequest". */
  readonly typeName: string;
  readonly fields: readonly FieldInfo[];
  /** A message with every field present; those not given have their default. */
  create(init?: Partial<T>): T;
  /** Encoded length in bytes. */
  size(message: T): number;
  /** Writes the encoding at `at`, where `size` bytes must be free; returns the end. */
  write(message: T, target: Uint8Array, at: number): number;
  /** A fresh buffer of exactly `size` bytes. */
  encode(message: T): Uint8Array;
  /**
   * Decodes bytes[start, end). Bytes fields of the result borrow `bytes`. Unknown fields are
   * skipped. Throws `DecodeError` on malformed input.
   */
  decode(bytes: Uint8Array, start?: number, end?: number): T;
}

/** One RPC as the .proto file defines it. */
export interface RpcDefinition {
  /** Full name, such as "etcdserverpb.KV". */
  readonly service: string;
  readonly name: string;
  readonly kind: "unary" | "serverStream" | "clientStream" | "bidi";
  readonly request: MessageType<unknown>;
  readonly response: MessageType<unknown>;
}
