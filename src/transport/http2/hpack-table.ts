/**
 * The static table of RFC 7541 Appendix A and the dynamic table of section 2.3.2. Index 1 is the
 * first static entry; the newest dynamic entry follows the last static one.
 */
import { HeaderField } from "./header-field.ts";

const STATIC_TEXT = `:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`;

/** Entry i has index i + 1 on the wire. */
export const STATIC_TABLE: readonly HeaderField[] = STATIC_TEXT.split("\n").map((line) => {
  const blank = line.indexOf(" ");
  return blank < 0
    ? new HeaderField(line, "")
    : new HeaderField(line.slice(0, blank), line.slice(blank + 1));
});

export const STATIC_COUNT = 61;

export class DynamicTable {
  /** Ring of entries; the newest is at `#newest`. Capacity is a power of two. */
  #ring: (HeaderField | undefined)[] = new Array(16).fill(undefined);
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes: number;
  /** Grows with every change of content, so that users may cache what they derived from it. */
  generation = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** The i-th newest entry, from 0. */
  at(i: number): HeaderField | undefined {
    if (i >= this.#count) return undefined;
    return this.#ring[(this.#newest - i) & (this.#ring.length - 1)];
  }

  /** RFC 7541 4.4: a field larger than the table empties it. */
  insert(field: HeaderField): void {
    this.generation += 1;
    this.#evictTo(this.#maxBytes - field.size);
    if (field.size > this.#maxBytes) return;
    if (this.#count === this.#ring.length) this.#grow();
    this.#newest = (this.#newest + 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = field;
    this.#count += 1;
    this.#bytes += field.size;
  }

  resize(maxBytes: number): void {
    this.generation += 1;
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  #evictTo(bytes: number): void {
    while (this.#count > 0 && this.#bytes > bytes) {
      const oldest = (this.#newest - this.#count + 1) & (this.#ring.length - 1);
      this.#bytes -= this.#ring[oldest]?.size ?? 0;
      this.#ring[oldest] = undefined;
      this.#count -= 1;
    }
  }

  #grow(): void {
    const entries: (HeaderField | undefined)[] = [];
    for (let i = this.#count - 1; i >= 0; i--) entries.push(this.at(i));
    const capacity = this.#ring.length * 2;
    while (entries.length < capacity) entries.push(undefined);
    this.#ring = entries;
    this.#newest = this.#count - 1;
  }
}
