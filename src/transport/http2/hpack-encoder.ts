/**
 * HPACK encoding (RFC 7541). The caller says which fields are worth a table entry; everything else
 * is a plain literal, so that the table stays as it is and blocks encoded once can be sent again.
 */
import { HEADER_TABLE_BYTES } from "../limits.ts";
import { HeaderField } from "./header-field.ts";
import { DynamicTable, STATIC_COUNT, STATIC_TABLE } from "./hpack-table.ts";
import { huffmanEncode, huffmanSize } from "./huffman.ts";

/** How a field is written. */
export type FieldMode = number;
/** Entered into the dynamic table: for fields that come again on this connection. */
export const MODE_INDEX = 0;
/** A literal that leaves the table alone. */
export const MODE_PLAIN = 1;
/** A secret: intermediaries must not index it either (RFC 7541 6.2.3). */
export const MODE_NEVER = 2;

export class OutgoingField {
  readonly name: string;
  readonly value: string;
  readonly mode: FieldMode;

  /** Both texts are latin1; the name is lower case. */
  constructor(name: string, value: string, mode: FieldMode = MODE_PLAIN) {
    this.name = name;
    this.value = value;
    this.mode = mode;
  }
}

export type OutgoingFields = readonly OutgoingField[];

/** Fields that are sent again and again by one connection, with their last encoding. */
export class HeaderTemplate {
  readonly fields: OutgoingFields;
  /** Valid while the encoder's table has this generation. */
  generation = -1;
  bytes: Uint8Array = new Uint8Array(0);

  constructor(fields: OutgoingFields) {
    this.fields = fields;
  }
}

/** Entries of the static table that share a name. */
interface StaticName {
  readonly first: number;
  readonly byValue: ReadonlyMap<string, number>;
}

const STATIC_NAMES: ReadonlyMap<string, StaticName> = (() => {
  const names = new Map<string, { first: number; byValue: Map<string, number> }>();
  STATIC_TABLE.forEach((field, i) => {
    const known = names.get(field.name) ?? { first: i + 1, byValue: new Map() };
    known.byValue.set(field.value, i + 1);
    names.set(field.name, known);
  });
  return names;
})();

export class HpackEncoder {
  readonly #table = new DynamicTable(HEADER_TABLE_BYTES);
  /** Sizes to announce at the start of the next block (RFC 7541 4.2), smallest first. */
  #sizeUpdates: number[] = [];
  #target: Buffer = Buffer.allocUnsafe(1024);
  #at = 0;

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; we never use more than the default. */
  setMaxTableBytes(bytes: number): void {
    const allowed = Math.min(bytes, HEADER_TABLE_BYTES);
    const last = this.#sizeUpdates.at(-1) ?? this.#table.maxBytes;
    if (allowed === last) return;
    const smallest = Math.min(allowed, ...this.#sizeUpdates);
    this.#sizeUpdates = smallest < allowed ? [smallest, allowed] : [allowed];
    this.#table.resize(smallest);
    this.#table.resize(allowed);
  }

  /** The encoded block; valid until the next call. */
  encode(fields: OutgoingFields): Uint8Array {
    this.#at = 0;
    this.#room(16);
    for (const bytes of this.#sizeUpdates) this.#integer(0x20, 0x1f, bytes);
    this.#sizeUpdates = [];
    for (const field of fields) this.#field(field);
    return this.#target.subarray(0, this.#at);
  }

  /** As `encode`, remembering the result for as long as it stays true. */
  encodeTemplate(template: HeaderTemplate): Uint8Array {
    if (template.generation === this.#table.generation) return template.bytes;
    const generation = this.#table.generation;
    const announces = this.#sizeUpdates.length > 0;
    const bytes = this.encode(template.fields);
    if (generation !== this.#table.generation || announces) return bytes;
    template.generation = generation;
    template.bytes = Uint8Array.prototype.slice.call(bytes);
    return template.bytes;
  }

  /** A template and one more field that differs from call to call; valid until the next call. */
  encodeTemplateAnd(template: HeaderTemplate, extra: OutgoingField): Uint8Array {
    const bytes = this.encodeTemplate(template);
    this.#at = 0;
    this.#room(bytes.length);
    if (bytes.buffer !== this.#target.buffer || bytes.byteOffset !== this.#target.byteOffset) {
      this.#target.set(bytes);
    }
    this.#at = bytes.length;
    this.#field(extra);
    return this.#target.subarray(0, this.#at);
  }

  #field(field: OutgoingField): void {
    const { name, value, mode } = field;
    const known = STATIC_NAMES.get(name);
    const exact = known?.byValue.get(value);
    if (exact !== undefined) {
      this.#room(8);
      this.#integer(0x80, 0x7f, exact);
      return;
    }
    let nameIndex = known?.first ?? 0;
    for (let i = 0; i < this.#table.count; i++) {
      const entry = this.#table.at(i);
      if (entry?.name !== name) continue;
      if (entry.value === value && mode !== MODE_NEVER) {
        this.#room(8);
        this.#integer(0x80, 0x7f, STATIC_COUNT + 1 + i);
        return;
      }
      if (nameIndex === 0) nameIndex = STATIC_COUNT + 1 + i;
    }
    const entry = mode === MODE_INDEX ? new HeaderField(name, value) : undefined;
    const indexed = entry !== undefined && entry.size <= this.#table.maxBytes;
    this.#room(24 + (name.length + value.length) * 4);
    if (indexed) this.#integer(0x40, 0x3f, nameIndex);
    else this.#integer(mode === MODE_NEVER ? 0x10 : 0x00, 0x0f, nameIndex);
    if (nameIndex === 0) this.#string(name, indexed);
    this.#string(value, indexed);
    if (indexed) this.#table.insert(entry);
  }

  /** Huffman only where the bytes are sent once and then named by index: it costs time. */
  #string(text: string, compress: boolean): void {
    const size = compress ? huffmanSize(text) : text.length;
    if (size < text.length) {
      this.#integer(0x80, 0x7f, size);
      this.#at = huffmanEncode(text, this.#target, this.#at);
    } else {
      this.#integer(0x00, 0x7f, text.length);
      this.#at += this.#target.latin1Write(text, this.#at, text.length);
    }
  }

  #integer(pattern: number, mask: number, value: number): void {
    const target = this.#target;
    if (value < mask) {
      target[this.#at++] = pattern | value;
      return;
    }
    target[this.#at++] = pattern | mask;
    let rest = value - mask;
    while (rest >= 0x80) {
      target[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    target[this.#at++] = rest;
  }

  #room(bytes: number): void {
    if (this.#target.length - this.#at >= bytes) return;
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2);
    larger.set(this.#target.subarray(0, this.#at));
    this.#target = larger;
  }
}
