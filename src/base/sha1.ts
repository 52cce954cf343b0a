/**
 * SHA-1 (FIPS 180-4), for member and cluster IDs, which etcd derives from it. Not for secrets:
 * collisions can be made. Pure, so that the layers that need IDs import no runtime module.
 */

/** The 20-byte digest. */
export function sha1(data: Uint8Array): Uint8Array {
  const blocks = padded(data);
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.length);
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const schedule = new Int32Array(80);
  for (let at = 0; at < blocks.length; at += 64) {
    for (let i = 0; i < 16; i++) schedule[i] = view.getInt32(at + 4 * i);
    for (let i = 16; i < 80; i++) {
      schedule[i] = rotate(
        word(schedule, i - 3) ^
          word(schedule, i - 8) ^
          word(schedule, i - 14) ^
          word(schedule, i - 16),
        1,
      );
    }
    compress(state, schedule);
  }
  const digest = new Uint8Array(20);
  const out = new DataView(digest.buffer);
  for (let i = 0; i < 5; i++) out.setInt32(4 * i, word(state, i));
  return digest;
}

/** The message, a one bit, zeros, and the length in bits, in whole 64-byte blocks. */
function padded(data: Uint8Array): Uint8Array {
  const blocks = new Uint8Array(Math.ceil((data.length + 9) / 64) * 64);
  blocks.set(data);
  blocks[data.length] = 0x80;
  const view = new DataView(blocks.buffer);
  view.setUint32(blocks.length - 8, Math.floor(data.length / 0x2000_0000));
  view.setUint32(blocks.length - 4, data.length * 8);
  return blocks;
}

function compress(state: Int32Array, schedule: Int32Array): void {
  let a = word(state, 0);
  let b = word(state, 1);
  let c = word(state, 2);
  let d = word(state, 3);
  let e = word(state, 4);
  for (let i = 0; i < 80; i++) {
    const mixed = (rotate(a, 5) + round(i, b, c, d) + e + word(schedule, i)) | 0;
    e = d;
    d = c;
    c = rotate(b, 30);
    b = a;
    a = mixed;
  }
  [a, b, c, d, e].forEach((value, i) => {
    state[i] = word(state, i) + value;
  });
}

/** The function and constant of one round. */
function round(i: number, b: number, c: number, d: number): number {
  if (i < 20) return ((b & c) | (~b & d)) + 0x5a827999;
  if (i < 40) return (b ^ c ^ d) + 0x6ed9eba1;
  if (i < 60) return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function word(words: Int32Array, index: number): number {
  return words[index] as number;
}
