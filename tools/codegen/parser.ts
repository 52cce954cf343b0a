/**
 * Reads the subset of the .proto language that this project uses: syntax, package, imports,
 * messages with fields, oneofs and nested enums, enums, services. Anything else is refused with
 * file and line, so that a definition is never half understood. `extend` blocks are skipped.
 */

export interface ProtoFile {
  readonly name: string;
  readonly syntax: "proto2" | "proto3";
  readonly packageName: string;
  readonly imports: readonly string[];
  readonly messages: readonly ProtoMessage[];
  readonly enums: readonly ProtoEnum[];
  readonly services: readonly ProtoService[];
}

export interface ProtoMessage {
  readonly name: string;
  readonly fields: readonly ProtoField[];
  readonly enums: readonly ProtoEnum[];
}

export interface ProtoField {
  readonly name: string;
  readonly number: number;
  /** As written: a scalar type, or a possibly qualified message or enum name. */
  readonly type: string;
  readonly label: "" | "optional" | "repeated";
  readonly oneof: string | undefined;
  readonly options: ReadonlyMap<string, string>;
  readonly line: number;
}

export interface ProtoEnum {
  readonly name: string;
  readonly values: readonly (readonly [name: string, value: number])[];
}

export interface ProtoService {
  readonly name: string;
  readonly methods: readonly ProtoMethod[];
}

export interface ProtoMethod {
  readonly name: string;
  readonly request: string;
  readonly response: string;
  readonly clientStreaming: boolean;
  readonly serverStreaming: boolean;
}

export class ProtoSyntaxError extends Error {
  constructor(file: string, line: number, message: string) {
    super(`${file}:${line}: ${message}`);
    this.name = "ProtoSyntaxError";
  }
}

interface Token {
  readonly text: string;
  readonly line: number;
}

export function parseProto(name: string, source: string): ProtoFile {
  return new Parser(name, tokenize(name, source)).file();
}

function tokenize(file: string, source: string): Token[] {
  const pattern = /\s+|\/\/[^\n]*|"[^"\n]*"|[A-Za-z_][\w.]*|-?\d+|[{}()[\];=,<>]/y;
  const tokens: Token[] = [];
  let line = 1;
  while (pattern.lastIndex < source.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(source);
    if (match === null) {
      throw new ProtoSyntaxError(file, line, `unexpected character ${JSON.stringify(source[at])}`);
    }
    const text = match[0];
    if (!/^(\s|\/\/)/.test(text)) tokens.push({ text, line });
    line += text.split("\n").length - 1;
  }
  return tokens;
}

class Parser {
  readonly #name: string;
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(name: string, tokens: readonly Token[]) {
    this.#name = name;
    this.#tokens = tokens;
  }

  file(): ProtoFile {
    let syntax: string | undefined;
    let packageName = "";
    const imports: string[] = [];
    const messages: ProtoMessage[] = [];
    const enums: ProtoEnum[] = [];
    const services: ProtoService[] = [];
    while (this.#at < this.#tokens.length) {
      const keyword = this.#next();
      if (keyword === "syntax") {
        this.#expect("=");
        syntax = this.#string();
        this.#expect(";");
      } else if (keyword === "package") {
        packageName = this.#identifier();
        this.#expect(";");
      } else if (keyword === "import") {
        imports.push(this.#string());
        this.#expect(";");
      } else if (keyword === "message") messages.push(this.#message());
      else if (keyword === "enum") enums.push(this.#enum());
      else if (keyword === "service") services.push(this.#service());
      else if (keyword === "extend") this.#skipBlock();
      else throw this.#error(`unexpected "${keyword}"`);
    }
    if (syntax !== "proto2" && syntax !== "proto3") {
      throw new ProtoSyntaxError(this.#name, 1, 'needs syntax = "proto2" or "proto3"');
    }
    return { name: this.#name, syntax, packageName, imports, messages, enums, services };
  }

  #message(): ProtoMessage {
    const name = this.#identifier();
    const fields: ProtoField[] = [];
    const enums: ProtoEnum[] = [];
    this.#expect("{");
    while (!this.#accept("}")) {
      if (this.#accept("enum")) enums.push(this.#enum());
      else if (this.#accept("oneof")) this.#oneof(fields);
      else fields.push(this.#field(undefined));
    }
    return { name, fields, enums };
  }

  #oneof(fields: ProtoField[]): void {
    const oneof = this.#identifier();
    this.#expect("{");
    while (!this.#accept("}")) fields.push(this.#field(oneof));
  }

  #field(oneof: string | undefined): ProtoField {
    const line = this.#line();
    const label = this.#accept("optional")
      ? "optional"
      : this.#accept("repeated")
        ? "repeated"
        : "";
    const type = this.#identifier();
    const name = this.#identifier();
    this.#expect("=");
    const number = this.#number();
    const options = new Map<string, string>();
    if (this.#accept("[")) {
      do {
        const extension = this.#accept("(");
        const key = this.#identifier();
        if (extension) this.#expect(")");
        this.#expect("=");
        options.set(key, this.#next());
      } while (this.#accept(","));
      this.#expect("]");
    }
    this.#expect(";");
    return { name, number, type, label, oneof, options, line };
  }

  #enum(): ProtoEnum {
    const name = this.#identifier();
    const values: [string, number][] = [];
    this.#expect("{");
    while (!this.#accept("}")) {
      const key = this.#identifier();
      this.#expect("=");
      values.push([key, this.#number()]);
      this.#expect(";");
    }
    if (values.length === 0) throw this.#error(`enum ${name} has no values`);
    return { name, values };
  }

  #service(): ProtoService {
    const name = this.#identifier();
    const methods: ProtoMethod[] = [];
    this.#expect("{");
    while (!this.#accept("}")) {
      this.#expect("rpc");
      const method = this.#identifier();
      const [request, clientStreaming] = this.#rpcType();
      this.#expect("returns");
      const [response, serverStreaming] = this.#rpcType();
      this.#expect(";");
      methods.push({ name: method, request, response, clientStreaming, serverStreaming });
    }
    return { name, methods };
  }

  #rpcType(): [type: string, streaming: boolean] {
    this.#expect("(");
    const streaming = this.#accept("stream");
    const type = this.#identifier();
    this.#expect(")");
    return [type, streaming];
  }

  #skipBlock(): void {
    while (this.#next() !== "{");
    for (let depth = 1; depth > 0; ) {
      const text = this.#next();
      if (text === "{") depth++;
      else if (text === "}") depth--;
    }
  }

  #next(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined) throw this.#error("unexpected end of file");
    this.#at++;
    return token.text;
  }

  #accept(text: string): boolean {
    if (this.#tokens[this.#at]?.text !== text) return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#accept(text)) {
      const found = this.#tokens[this.#at]?.text ?? "end of file";
      throw new ProtoSyntaxError(this.#name, this.#line(), `expected "${text}", found "${found}"`);
    }
  }

  #identifier(): string {
    const text = this.#next();
    if (!/^[A-Za-z_]/.test(text)) throw this.#error(`expected a name, found "${text}"`);
    return text;
  }

  #number(): number {
    const text = this.#next();
    if (!/^-?\d+$/.test(text)) throw this.#error(`expected a number, found "${text}"`);
    return Number(text);
  }

  #string(): string {
    const text = this.#next();
    if (!text.startsWith('"')) throw this.#error(`expected a string, found "${text}"`);
    return text.slice(1, -1);
  }

  #line(): number {
    return (this.#tokens[this.#at] ?? this.#tokens.at(-1))?.line ?? 1;
  }

  #error(message: string): ProtoSyntaxError {
    const line = this.#tokens[this.#at - 1]?.line ?? 1;
    return new ProtoSyntaxError(this.#name, line, message);
  }
}
