/**
 * The Huffman code of HPACK (RFC 7541 5.2 and Appendix B). The code is canonical: codes of one
 * length are consecutive in symbol order, so the table of lengths is the whole code. Decoding
 * walks a state machine four bits at a time.
 */

/** Code length of symbols 0-255 and EOS, each as a letter: "a" is 5 bits. */
const LENGTHS =
  "isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhfibccccccccccccccccccccccdcdioi" +
  "jbkabababbbaccbbbabcbaabccccckgjixprpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrqsrssprrr" +
  "srrsvvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqrqqsrruuttvsvwvvwwwwwxwwwwwvz";

const EOS = 256;

interface Code {
  readonly symbol: number;
  readonly bits: number;
  readonly length: number;
}

function canonicalCodes(): Code[] {
  const symbols = Array.from(LENGTHS, (letter, symbol) => ({
    symbol,
    length: letter.charCodeAt(0) - 92,
  }));
  symbols.sort((a, b) => a.length - b.length || a.symbol - b.symbol);
  const codes: Code[] = [];
  let next = 0;
  let previous = symbols[0]?.length ?? 0;
  for (const { symbol, length } of symbols) {
    next *= 2 ** (length - previous);
    previous = length;
    codes.push({ symbol, bits: next, length });
    next += 1;
  }
  return codes;
}

/** Transition entry: next state in the low 9 bits, then flags, then the symbol to emit. */
const STATE_MASK = 0x1ff;
const EMITS = 0x200;
const FAILS = 0x400;
const SYMBOL_SHIFT = 16;

interface Tables {
  /** Indexed by state * 16 + nibble. */
  readonly transitions: Uint32Array;
  /** 1 for the states in which the input may end: a prefix of EOS shorter than 8 bits. */
  readonly accepting: Uint8Array;
  readonly codeBits: Uint32Array;
  readonly codeLengths: Uint8Array;
}

let tables: Tables | undefined;

/** Built at first use, so that short-lived tools do not pay for it. */
function huffmanTables(): Tables {
  tables ??= buildTables();
  return tables;
}

function buildTables(): Tables {
  const codes = canonicalCodes();
  const codeBits = new Uint32Array(257);
  const codeLengths = new Uint8Array(257);
  // Inner nodes of the code tree: children[node * 2 + bit] is a node, or -1 - symbol for a leaf.
  const children: number[] = [0, 0];
  for (const { symbol, bits, length } of codes) {
    codeBits[symbol] = bits;
    codeLengths[symbol] = length;
    let node = 0;
    for (let i = length - 1; i >= 0; i--) {
      const slot = node * 2 + ((bits >>> i) & 1);
      if (i === 0) {
        children[slot] = -1 - symbol;
      } else {
        if (children[slot] === 0) {
          children[slot] = children.length / 2;
          children.push(0, 0);
        }
        node = children[slot] as number;
      }
    }
  }
  const states = children.length / 2;
  const transitions = new Uint32Array(states * 16);
  for (let state = 0; state < states; state++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      transitions[state * 16 + nibble] = walk(children, state, nibble);
    }
  }
  return { transitions, accepting: acceptingStates(children, states), codeBits, codeLengths };
}

function walk(children: readonly number[], state: number, nibble: number): number {
  let node = state;
  let emitted = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = children[node * 2 + ((nibble >>> bit) & 1)] as number;
    if (child >= 0) {
      node = child;
      continue;
    }
    const symbol = -1 - child;
    if (symbol === EOS) return FAILS;
    emitted = EMITS | (symbol << SYMBOL_SHIFT);
    node = 0;
  }
  return emitted | node;
}

function acceptingStates(children: readonly number[], states: number): Uint8Array {
  const accepting = new Uint8Array(states);
  let node = 0;
  for (let ones = 0; ones < 8; ones++) {
    accepting[node] = 1;
    node = children[node * 2 + 1] as number;
    if (node < 0) break;
  }
  return accepting;
}

/**
 * Decodes `source[start, end)` into `target` from 0. Returns the number of bytes written, or -1
 * when the input holds EOS, bad padding, or does not fit. At most 8/5 of the input's length.
 */
export function huffmanDecode(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
): number {
  const { transitions, accepting } = huffmanTables();
  let state = 0;
  let at = 0;
  for (let i = start; i < end; i++) {
    const byte = source[i] as number;
    let entry = transitions[state * 16 + (byte >>> 4)] as number;
    if (entry & (EMITS | FAILS)) {
      if (entry & FAILS || at >= target.length) return -1;
      target[at++] = entry >>> SYMBOL_SHIFT;
    }
    entry = transitions[(entry & STATE_MASK) * 16 + (byte & 15)] as number;
    if (entry & (EMITS | FAILS)) {
      if (entry & FAILS || at >= target.length) return -1;
      target[at++] = entry >>> SYMBOL_SHIFT;
    }
    state = entry & STATE_MASK;
  }
  return accepting[state] === 1 ? at : -1;
}

/** Encoded size in bytes of a latin1 string. */
export function huffmanSize(text: string): number {
  const { codeLengths } = huffmanTables();
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += codeLengths[text.charCodeAt(i) & 255] as number;
  return (bits + 7) >>> 3;
}

/** Encodes a latin1 string into `target` at `at`; the caller made room. Returns the end. */
export function huffmanEncode(text: string, target: Uint8Array, at: number): number {
  const { codeBits, codeLengths } = huffmanTables();
  let end = at;
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 255;
    const bits = codeBits[symbol] as number;
    // At most 30 new bits and 7 old ones: feed the code in two parts to stay within 32 bits.
    for (let left = codeLengths[symbol] as number; left > 0; ) {
      const take = Math.min(left, 16);
      pending = (pending << take) | ((bits >>> (left - take)) & ((1 << take) - 1));
      pendingBits += take;
      left -= take;
      while (pendingBits >= 8) {
        pendingBits -= 8;
        target[end++] = (pending >>> pendingBits) & 255;
      }
      pending &= (1 << pendingBits) - 1;
    }
  }
  if (pendingBits > 0) {
    target[end++] = ((pending << (8 - pendingBits)) | (0xff >>> pendingBits)) & 255;
  }
  return end;
}
