/**
 * Which source a place in a script of dist/lib comes from. The build writes the file `places` beside
 * the scripts (`tools/bundle.mjs` tells its form); it is read when somebody first asks.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export interface Place {
  /** Path of the file. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

interface Index {
  readonly sources: readonly string[];
  /** Where the blocks of a script's table begin in `text`, and where the last one ends. */
  readonly tables: Readonly<Record<string, readonly number[]>>;
  readonly text: string;
}

const SCRIPT = /\.cjs$/;
const END_OF_LINE = 0;
const OTHER_SOURCE = 1;
const FAR_MARK = 2;
const FIRST_NEAR_MARK = 3;
const NEAR_COLUMNS = 63;
const BLOCK_LINES = 32;
const NEAR_LINES: readonly number[] = [1, 2, 0, 3];
const indexes = new Map<string, Index | undefined>();
/** Answers, since a table is read from its beginning; places in code are not without number. */
const answers = new Map<string, Place | undefined>();

/** Undefined for a place outside the scripts of the build, or one of which nothing is known. */
export function unbundled(file: string, line: number, column: number): Place | undefined {
  if (!SCRIPT.test(file)) return undefined;
  const key = `${file}:${line}:${column}`;
  if (!answers.has(key)) answers.set(key, maybeFind(file, line - 1, column - 1));
  return answers.get(key);
}

/** The text of a stack with the places of sources. */
export function unbundledStack(stack: string): string {
  return stack.replaceAll(
    /([^\s()]+\.cjs):(\d+):(\d+)/g,
    (text: string, file: string, line: string, column: string) => {
      const place = unbundled(file, Number(line), Number(column));
      return place === undefined ? text : `${place.file}:${place.line}`;
    },
  );
}

/** A place in the log is never worth an error. `line` and `column` from 0. */
function maybeFind(file: string, line: number, column: number): Place | undefined {
  try {
    return find(file, line, column);
  } catch {
    return undefined;
  }
}

function find(file: string, line: number, column: number): Place | undefined {
  const folder = dirname(file);
  if (!indexes.has(folder)) indexes.set(folder, readIndex(folder));
  const index = indexes.get(folder);
  const block = Math.floor(line / BLOCK_LINES);
  const [begin, end] = index?.tables[basename(file)]?.slice(block, block + 2) ?? [];
  if (index === undefined || begin === undefined || end === undefined) return undefined;
  const marks = new Marks(index.text, begin, end);
  const found = marks.find(line % BLOCK_LINES, column);
  const source = found === undefined ? undefined : index.sources[found.source];
  return found === undefined || source === undefined
    ? undefined
    : { file: source, line: found.line + 1 };
}

function readIndex(folder: string): Index | undefined {
  const file = join(folder, "places");
  if (!existsSync(file)) return undefined;
  const content = readFileSync(file, "latin1");
  const end = content.indexOf("\n");
  const { sources, tables } = JSON.parse(content.slice(0, end)) as Omit<Index, "text">;
  return { sources, tables, text: content.slice(end + 1) };
}

/** A block of a table. */
class Marks {
  readonly #text: string;
  readonly #end: number;
  #at: number;

  constructor(text: string, begin: number, end: number) {
    this.#text = text;
    this.#at = begin;
    this.#end = end;
  }

  /** The last mark at or before the place. */
  find(
    line: number,
    column: number,
  ): { readonly source: number; readonly line: number } | undefined {
    let found: { readonly source: number; readonly line: number } | undefined;
    let [source, sourceLine, ownLine, ownColumn] = [0, 0, 0, 0];
    while (this.#at < this.#end) {
      const code = this.#text.charCodeAt(this.#at++);
      if (code === END_OF_LINE) {
        if (ownLine++ === line) break;
        ownColumn = 0;
      } else if (code === OTHER_SOURCE) source += this.#nextSigned();
      else {
        const near = code - FIRST_NEAR_MARK;
        ownColumn += code === FAR_MARK ? this.#next() : near % NEAR_COLUMNS;
        sourceLine +=
          code === FAR_MARK
            ? this.#nextSigned()
            : (NEAR_LINES[Math.floor(near / NEAR_COLUMNS)] ?? 0);
        if (ownLine === line && ownColumn > column) break;
        found = { source, line: sourceLine };
      }
    }
    return found;
  }

  #next(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#text.charCodeAt(this.#at++);
      value |= (byte & 0x7f) << shift;
      if (!(byte >= 0x80)) return value;
    }
  }

  #nextSigned(): number {
    const value = this.#next();
    return (value & 1) === 0 ? value >>> 1 : -(value >>> 1);
  }
}
