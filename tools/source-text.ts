/**
 * A rough reading of TypeScript for checks of style: text with comments and the contents of
 * literals blanked out. It knows just enough of the language for our own code; it is not a
 * parser. `source-imports.ts` reads the imports from it.
 */

/** A source with every blanked character replaced by a space: lines and columns stay. */
export interface SourceText {
  readonly path: string;
  readonly raw: string;
  /** Without comments and the insides of strings, templates and regular expressions. */
  readonly code: string;
}

const REGEX_MAY_FOLLOW = /(?:^|[=(,:[!&|?{};\n+]|\breturn|\btypeof|\bcase)\s*$/;

export function readSource(path: string, raw: string): SourceText {
  return { path, raw, code: new Blanker(raw).run() };
}

class Blanker {
  readonly #raw: string;
  readonly #out: string[] = [];
  #at = 0;
  /** Depths of braces at which a template's `${` was opened. */
  readonly #templates: number[] = [];
  #depth = 0;

  constructor(raw: string) {
    this.#raw = raw;
  }

  run(): string {
    while (this.#at < this.#raw.length) this.#step();
    return this.#out.join("");
  }

  #step(): void {
    const c = this.#raw[this.#at] ?? "";
    const two = this.#raw.slice(this.#at, this.#at + 2);
    if (two === "//") this.#blankUntil((rest) => rest.indexOf("\n"), 0);
    else if (two === "/*") this.#blankUntil((rest) => rest.indexOf("*/", 2), 2);
    else if (c === '"' || c === "'") this.#quoted(c);
    else if (c === "`") this.#template();
    else if (c === "/" && this.#isRegex()) this.#regex();
    else {
      if (c === "{") this.#depth++;
      if (c === "}") {
        this.#depth--;
        if (this.#templates.at(-1) === this.#depth) {
          this.#templates.pop();
          this.#keep(1);
          this.#templateText();
          return;
        }
      }
      this.#keep(1);
    }
  }

  #keep(count: number): void {
    this.#out.push(this.#raw.slice(this.#at, this.#at + count));
    this.#at += count;
  }

  #blank(count: number): void {
    this.#out.push(this.#raw.slice(this.#at, this.#at + count).replace(/[^\n]/g, " "));
    this.#at += count;
  }

  #blankUntil(find: (rest: string) => number, extra: number): void {
    const rest = this.#raw.slice(this.#at);
    const end = find(rest);
    this.#blank(end < 0 ? rest.length : end + extra);
  }

  #quoted(mark: string): void {
    this.#keep(1);
    while (this.#at < this.#raw.length) {
      const c = this.#raw[this.#at];
      if (c === mark || c === "\n") break;
      this.#blank(c === "\\" ? 2 : 1);
    }
    this.#keep(1);
  }

  #template(): void {
    this.#keep(1);
    this.#templateText();
  }

  #templateText(): void {
    while (this.#at < this.#raw.length) {
      const c = this.#raw[this.#at];
      if (c === "`") {
        this.#keep(1);
        return;
      }
      if (c === "$" && this.#raw[this.#at + 1] === "{") {
        this.#keep(2);
        this.#templates.push(this.#depth);
        this.#depth++;
        return;
      }
      this.#blank(c === "\\" ? 2 : 1);
    }
  }

  #isRegex(): boolean {
    const before = this.#out.slice(-40).join("");
    return REGEX_MAY_FOLLOW.test(before);
  }

  #regex(): void {
    this.#keep(1);
    let inClass = false;
    while (this.#at < this.#raw.length) {
      const c = this.#raw[this.#at];
      if (c === "\n" || (c === "/" && !inClass)) break;
      if (c === "[") inClass = true;
      if (c === "]") inClass = false;
      this.#blank(c === "\\" ? 2 : 1);
    }
    this.#keep(1);
  }
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}
