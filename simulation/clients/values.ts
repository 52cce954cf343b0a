/**
 * Values as histories name them: "v7" is what it says, "v7~600000" stands for so many bytes that
 * follow from the name. What comes back with a single other byte is shown as it is, and no write
 * explains it.
 */
import { bytesFromLatin1, latin1FromBytes } from "../../src/base/bytes.ts";
import { SeededRandom } from "../../src/env/testing/index.ts";

const LONG = /^v(\d+)~(\d+)$/;
const NAME_CHARS = 24;
/** The content of values that are still talked about. */
const KEPT_VALUES = 48;

const kept = new Map<string, Buffer>();

/** The name of a value of so many bytes. */
export function longValue(number: number, bytes: number): string {
  const name = `v${number}~${bytes}`;
  return bytes > NAME_CHARS ? name : `v${number}`;
}

export function bytesOfValue(value: string): Uint8Array {
  const match = LONG.exec(value);
  return match === null ? bytesFromLatin1(value) : contentOf(value, match);
}

export function valueOfBytes(bytes: Uint8Array): string {
  if (bytes.length <= NAME_CHARS) return latin1FromBytes(bytes);
  const head = latin1FromBytes(bytes.subarray(0, NAME_CHARS));
  const name = head.slice(0, head.indexOf(" "));
  const match = LONG.exec(name);
  if (match !== null && contentOf(name, match).equals(bytes)) return name;
  return latin1FromBytes(bytes);
}

function contentOf(name: string, [, number, bytes]: RegExpExecArray): Buffer {
  let content = kept.get(name);
  if (content !== undefined) return content;
  content = Buffer.alloc(Number(bytes));
  const random = new SeededRandom(Number(number));
  const view = new Int32Array(content.buffer, content.byteOffset, content.length >>> 2);
  for (let i = 0; i < view.length; i++) view[i] = random.next32();
  content.write(name.padEnd(NAME_CHARS), "latin1");
  if (kept.size === KEPT_VALUES) kept.delete(kept.keys().next().value ?? "");
  kept.set(name, content);
  return content;
}
