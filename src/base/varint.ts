/**
 * Protobuf varints of safe integers, written forwards, for code that lays out a few fields by
 * hand. The generated codecs use `wire.ts`, which writes backwards.
 */

/** Bytes of a varint; `value` is a safe integer, not negative. */
export function sizeVarint(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** Writes `value` at `start` and returns the end. */
export function writeVarint(target: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  while (rest >= 128) {
    target[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  target[at++] = rest;
  return at;
}
