/**
 * A reader of JSON text for typed decoding: it never builds objects from input, so keys such as
 * `__proto__` mean nothing, and integers keep all their digits. It takes what Go's decoders take
 * (no NaN, no comments, no trailing commas) and words its complaints as they do, because clients
 * of the gateway see them. Nesting is limited.
 */

/** The input is no JSON, or no JSON for the expected message. The message is for the client. */
export class JsonError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "JsonError";
  }
}

/**
 * Deepest nesting of arrays and objects. A nested transaction takes three levels, and the default
 * limits of the server allow 128 of them.
 */
export const MAX_JSON_DEPTH = 512;

export type TokenKind = "object" | "array" | "string" | "number" | "true" | "false" | "null";

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings.
const NEEDS_UNESCAPING = /[\\\u0000-\u001f]/;
const HEX4 = /^[0-9a-fA-F]{4}$/;
const BEGINNING_OF_VALUE = "looking for beginning of value";

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

export class JsonReader {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #start = 0;

  constructor(text: string) {
    this.#text = text;
    this.skipSpace();
    this.#start = this.#at;
  }

  /** Offset of the next unread character. */
  get at(): number {
    return this.#at;
  }

  /** True if only white space is left. */
  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  skipSpace(): void {
    const text = this.#text;
    let at = this.#at;
    for (;;) {
      const unit = text.charCodeAt(at);
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) break;
      at++;
    }
    this.#at = at;
  }

  /** Kind of the value that begins behind white space. */
  peek(): TokenKind {
    this.skipSpace();
    const unit = this.#text.charCodeAt(this.#at);
    switch (unit) {
      case 0x7b:
        return "object";
      case 0x5b:
        return "array";
      case 0x22:
        return "string";
      case 0x74:
        return "true";
      case 0x66:
        return "false";
      case 0x6e:
        return "null";
      default:
        if (unit === 0x2d || (unit >= 0x30 && unit <= 0x39)) return "number";
        throw this.#unexpected(BEGINNING_OF_VALUE);
    }
  }

  /** Reads an object; `member` must read the value of each key. */
  readObject(member: (key: string, keyStart: number, keyEnd: number) => void): void {
    this.#open("{");
    if (this.#closes("}")) return;
    for (;;) {
      this.skipSpace();
      if (this.#text[this.#at] !== '"') {
        throw this.#unexpected("looking for beginning of object key string");
      }
      const keyStart = this.#at;
      const key = this.readString();
      const keyEnd = this.#at;
      this.skipSpace();
      if (this.#text[this.#at] !== ":") throw this.#unexpected("after object key");
      this.#at++;
      member(key, keyStart, keyEnd);
      this.skipSpace();
      const unit = this.#text[this.#at];
      if (unit === "}") break;
      if (unit !== ",") throw this.#unexpected("after object key:value pair");
      this.#at++;
    }
    this.#at++;
    this.#depth--;
  }

  /** Reads an array; `element` must read each value. */
  readArray(element: () => void): void {
    this.#open("[");
    if (this.#closes("]")) return;
    for (;;) {
      element();
      this.skipSpace();
      const unit = this.#text[this.#at];
      if (unit === "]") break;
      if (unit !== ",") throw this.#unexpected("after array element");
      this.#at++;
    }
    this.#at++;
    this.#depth--;
  }

  readString(): string {
    const end = this.#text.indexOf('"', this.#at + 1);
    if (end < 0) throw new JsonError("unexpected EOF");
    const content = this.#text.slice(this.#at + 1, end);
    if (NEEDS_UNESCAPING.test(content)) return this.#readEscapedString();
    this.#at = end + 1;
    return content;
  }

  /** The digits as they stand. */
  readNumber(): string {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) {
      this.#at++;
      throw this.#unexpected("in numeric literal");
    }
    this.#at = NUMBER.lastIndex;
    const next = this.#text[this.#at];
    const number = match[0];
    if (next === "." && !/[.eE]/.test(number)) {
      this.#at++;
      throw this.#unexpected("after decimal point in numeric literal");
    }
    if ((next === "e" || next === "E") && !/[eE]/.test(number)) {
      this.#at++;
      if (/[+-]/.test(this.#text[this.#at] ?? "")) this.#at++;
      throw this.#unexpected("in exponent of numeric literal");
    }
    return number;
  }

  readLiteral(literal: "true" | "false" | "null"): void {
    for (let i = 1; i < literal.length; i++) {
      if (this.#text[this.#at + i] === literal[i]) continue;
      this.#at += i;
      throw this.#unexpected(`in literal ${literal} (expecting '${literal[i]}')`);
    }
    this.#at += literal.length;
  }

  /** Reads and drops any value. */
  skipValue(): void {
    const kind = this.peek();
    if (kind === "object") this.readObject(() => this.skipValue());
    else if (kind === "array") this.readArray(() => this.skipValue());
    else this.skipScalar(kind);
  }

  /** Nothing but white space may follow the value that was read. */
  mustEnd(): void {
    this.skipSpace();
    if (!this.atEnd) throw this.#unexpected("after top-level value");
  }

  skipScalar(kind: TokenKind): void {
    if (kind === "string") this.readString();
    else if (kind === "number") this.readNumber();
    else if (kind === "true" || kind === "false" || kind === "null") this.readLiteral(kind);
  }

  /** The next token as it stands in the input; only the bracket of an object or array. */
  rawToken(): string {
    const kind = this.peek();
    const start = this.#at;
    if (kind === "object") return "{";
    if (kind === "array") return "[";
    this.skipScalar(kind);
    const raw = this.#text.slice(start, this.#at);
    this.#at = start;
    return raw;
  }

  raw(start: number, end: number = this.#at): string {
    return this.#text.slice(start, end);
  }

  /** "line 1:15": counted from the beginning of the value, columns in characters. */
  position(offset: number): string {
    const before = this.#text.slice(this.#start, offset);
    const lineStart = before.lastIndexOf("\n") + 1;
    const line = before.split("\n").length;
    return `line ${line}:${[...before.slice(lineStart)].length + 1}`;
  }

  #open(bracket: string): void {
    this.#depth++;
    if (this.#depth > MAX_JSON_DEPTH) {
      throw new JsonError(`invalid character '${bracket}' exceeded max depth`);
    }
    this.#at++;
  }

  #closes(bracket: string): boolean {
    this.skipSpace();
    if (this.#text[this.#at] !== bracket) return false;
    this.#at++;
    this.#depth--;
    return true;
  }

  #readEscapedString(): string {
    const start = this.#at;
    let value = "";
    this.#at++;
    for (;;) {
      const unit = this.#text[this.#at];
      if (unit === undefined) throw new JsonError("unexpected EOF");
      if (unit === '"') break;
      if (unit < " ") throw this.#unexpected("in string literal");
      if (unit === "\\") value += this.#readEscape(start);
      else {
        value += unit;
        this.#at++;
      }
    }
    this.#at++;
    return value;
  }

  #readEscape(stringStart: number): string {
    this.#at++;
    const letter = this.#text[this.#at];
    if (letter === undefined) throw new JsonError("unexpected EOF");
    if (letter !== "u") {
      const simple = SIMPLE_ESCAPES[letter];
      if (simple === undefined) throw this.#unexpected("in string escape code");
      this.#at++;
      return simple;
    }
    this.#at++;
    const unit = this.#readHex4();
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    if (unit < 0xdc00 && this.#text.startsWith("\\u", this.#at)) {
      this.#at += 2;
      const low = this.#readHex4();
      if (low >= 0xdc00 && low <= 0xdfff) return String.fromCharCode(unit, low);
    }
    throw new JsonError(
      `proto: syntax error (${this.position(stringStart)}): invalid surrogate pair in string`,
    );
  }

  #readHex4(): number {
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (!HEX4.test(digits)) {
      while (/^[0-9a-fA-F]$/.test(this.#text[this.#at] ?? "")) this.#at++;
      throw this.#unexpected("in \\u hexadecimal character escape");
    }
    this.#at += 4;
    return Number.parseInt(digits, 16);
  }

  #unexpected(context: string): JsonError {
    const point = this.#text.codePointAt(this.#at);
    if (point === undefined) return new JsonError("unexpected EOF");
    return new JsonError(`invalid character ${quoteCharacter(point)} ${context}`);
  }
}

/** As Go's decoder shows a character; of a longer UTF-8 sequence it only sees the first byte. */
function quoteCharacter(point: number): string {
  if (point === 0x27) return "'\\''";
  if (point === 0x0a) return "'\\n'";
  if (point === 0x0d) return "'\\r'";
  if (point === 0x09) return "'\\t'";
  if (point < 0x20 || point === 0x7f) return `'\\x${point.toString(16).padStart(2, "0")}'`;
  if (point < 0x80) return `'${point === 0x5c ? "\\\\" : String.fromCharCode(point)}'`;
  const lead = Buffer.from(String.fromCodePoint(point))[0] ?? point;
  return `'${String.fromCharCode(lead)}'`;
}
