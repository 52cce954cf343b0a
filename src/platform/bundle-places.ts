/**
 * Which source a line of a bundle comes from. The build writes a table beside each bundle
 * `NAME.cjs`: `NAME.places` has four bytes for each line (source << 16 | line, little-endian; 0 where
 * nothing is known), `NAME.sources.json` the names of the sources. It is read when first asked for.
 */
import { readFileSync } from "node:fs";

export interface Place {
  /** Path of the file. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

interface Table {
  readonly places: Buffer;
  readonly sources: readonly string[];
}

const BUNDLE = /\.cjs$/;
const ENTRY_BYTES = 4;
const tables = new Map<string, Table | undefined>();

/** Undefined for a place outside a bundle, or one whose table is missing. */
export function unbundled({ file, line }: Place): Place | undefined {
  if (!BUNDLE.test(file)) return undefined;
  const table = tableOf(file);
  const offset = (line - 1) * ENTRY_BYTES;
  if (table === undefined || offset < 0 || offset >= table.places.length) return undefined;
  const entry = table.places.readUInt32LE(offset);
  const source = table.sources[entry >>> 16];
  return entry === 0 || source === undefined ? undefined : { file: source, line: entry & 0xffff };
}

function tableOf(bundle: string): Table | undefined {
  if (!tables.has(bundle)) tables.set(bundle, readTable(bundle.slice(0, -".cjs".length)));
  return tables.get(bundle);
}

/** A place in the log is never worth an error. */
function readTable(name: string): Table | undefined {
  try {
    const sources: unknown = JSON.parse(readFileSync(`${name}.sources.json`, "utf8"));
    if (!Array.isArray(sources)) return undefined;
    return { places: readFileSync(`${name}.places`), sources };
  } catch {
    return undefined;
  }
}
