/** Spans of keys as latin1 strings: [begin, end), where the end "" means no upper end. */

export interface KeySpan {
  readonly begin: string;
  readonly end: string;
}

/** All keys that begin with `prefix`. */
export function prefixSpan(prefix: string): KeySpan {
  for (let at = prefix.length - 1; at >= 0; at--) {
    const code = prefix.charCodeAt(at);
    if (code < 0xff) {
      return { begin: prefix, end: prefix.slice(0, at) + String.fromCharCode(code + 1) };
    }
  }
  return { begin: prefix, end: "" };
}

/** What two spans have in common; may be empty, with an end that is not above its begin. */
export function meet(one: KeySpan, other: KeySpan): KeySpan {
  const begin = one.begin > other.begin ? one.begin : other.begin;
  if (one.end === "") return { begin, end: other.end };
  if (other.end === "") return { begin, end: one.end };
  return { begin, end: one.end < other.end ? one.end : other.end };
}
