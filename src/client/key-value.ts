/** A stored key with its value, as responses and events carry it. */
import type { KeyValue as RawKeyValue } from "../api/gen/kv.ts";
import { utf8FromBytes } from "../base/bytes.ts";
import type { LeaseID, Revision } from "../base/ids.ts";
import { type JsonObject, toJsonObject } from "./json.ts";

/**
 * `key` and `value` share the memory of the response that brought them: holding one of many holds
 * all. Text is decoded when asked for.
 */
export class KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** Revision at which the key came into being; 0 in a delete event. */
  readonly createRevision: Revision;
  /** Revision of the last change. */
  readonly modRevision: Revision;
  /** Changes since its creation; 1 for a new key, 0 in a delete event. */
  readonly version: number;
  /** The lease that the key is attached to; 0n for none. */
  readonly lease: LeaseID;

  constructor(raw: RawKeyValue) {
    this.key = raw.key;
    this.value = raw.value;
    this.createRevision = raw.createRevision;
    this.modRevision = raw.modRevision;
    this.version = raw.version;
    this.lease = raw.lease;
  }

  get keyText(): string {
    return utf8FromBytes(this.key);
  }

  get valueText(): string {
    return utf8FromBytes(this.value);
  }

  /** The value parsed as JSON; throws `SyntaxError` if it is none. */
  json(): unknown {
    return JSON.parse(this.valueText);
  }

  /** For `JSON.stringify`: key and value as base64, the lease as decimal text. */
  toJSON(): JsonObject {
    return toJsonObject(this);
  }

  /** "key=value", for logs. */
  toString(): string {
    return `${this.keyText}=${this.valueText}`;
  }
}

export function wrapKeyValues(raws: readonly RawKeyValue[]): KeyValue[] {
  const wrapped: KeyValue[] = new Array(raws.length);
  for (let i = 0; i < raws.length; i++) wrapped[i] = new KeyValue(raws[i] as RawKeyValue);
  return wrapped;
}
