/**
 * Keys of a namespace are those of the cluster without its prefix. Ranges stay inside: what has no
 * end ends with the namespace, and what begins before all keys begins with it.
 */
import { ERRORS } from "../../api/errors.ts";
import { type KeyRange, prefixEnd, toBytes } from "../bytes.ts";
import { EtcdClientError } from "../errors.ts";
import type { Bytes } from "../options.ts";

export class KeyPrefix {
  readonly #prefix: Uint8Array;
  readonly #end: Uint8Array;

  /** Throws `TypeError` for an empty prefix, which would be no namespace. */
  constructor(prefix: Bytes) {
    this.#prefix = Uint8Array.from(toBytes(prefix, "prefix"));
    if (this.#prefix.length === 0) throw new TypeError("a namespace needs a prefix");
    this.#end = prefixEnd(this.#prefix);
  }

  /** The prefix of a namespace in this one. */
  inside(prefix: Bytes): KeyPrefix {
    return new KeyPrefix(this.#joined(toBytes(prefix, "prefix")));
  }

  /** Throws kind "emptyKey" as the server would: the prefix alone is no key of the namespace. */
  add(key: Uint8Array): Uint8Array {
    if (key.length > 0) return this.#joined(key);
    const { code, message } = ERRORS.emptyKey;
    throw new EtcdClientError(message, { code, kind: "emptyKey" });
  }

  addToRange({ key, rangeEnd }: KeyRange): KeyRange {
    return { key: this.add(key), rangeEnd: this.#endOf(rangeEnd) };
  }

  #endOf(rangeEnd: Uint8Array): Uint8Array {
    if (rangeEnd.length === 0) return rangeEnd;
    const isOpen = rangeEnd.length === 1 && rangeEnd[0] === 0;
    return isOpen ? this.#end : this.#joined(rangeEnd);
  }

  /** The key as the namespace sees it; shares its memory. */
  strip(key: Uint8Array): Uint8Array {
    return key.subarray(this.#prefix.length);
  }

  has(key: Uint8Array): boolean {
    return this.#prefix.every((byte, i) => key[i] === byte);
  }

  #joined(key: Uint8Array): Uint8Array {
    const joined = new Uint8Array(this.#prefix.length + key.length);
    joined.set(this.#prefix);
    joined.set(key, this.#prefix.length);
    return joined;
  }
}
