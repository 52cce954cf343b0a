/**
 * Reads a PromQL expression far enough to know that Prometheus will take it: brackets, operators,
 * known functions with as many arguments as they take, ranges where functions want ranges and
 * nowhere else. Returns the selectors, so that their metrics and labels can be looked up. Numbers
 * are not told from vectors of one element, and precedence does not matter here.
 */

export interface Selector {
  readonly metric: string;
  readonly labels: readonly string[];
}

export interface ParsedQuery {
  readonly selectors: readonly Selector[];
  /** Labels of `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`. */
  readonly groupings: readonly string[];
}

type Shape = "range" | "other";

/** Arguments of the functions in use, "range" for those that look back. */
const FUNCTIONS: Readonly<Record<string, readonly Shape[]>> = {
  absent: ["other"],
  histogram_quantile: ["other", "other"],
  increase: ["range"],
  predict_linear: ["range", "other"],
  rate: ["range"],
  vector: ["other"],
};
const AGGREGATIONS = ["avg", "count", "max", "min", "sum"];
const JOINING = ["on", "ignoring", "group_left", "group_right"];
const OPERATORS = ["+", "-", "*", "/", "%", "^", "==", "!=", ">=", "<=", ">", "<"];
const SETS = ["and", "or", "unless"];

const TOKEN =
  /\s*(?:("(?:[^"\\]|\\.)*")|(\d+(?:ms|[smhdwy])|\$__rate_interval)|(\d+(?:\.\d+)?)|([a-zA-Z_:][a-zA-Z0-9_:]*)|(=~|!~|==|!=|>=|<=|[-+*/%^<>=(){}[\],]))/y;

interface Token {
  readonly kind: "string" | "duration" | "number" | "name" | "sign" | "end";
  readonly text: string;
}

/** Throws a SyntaxError that says where the expression cannot be read on. */
export function parsePromQL(text: string): ParsedQuery {
  const parser = new Parser(text);
  return parser.parse();
}

class Parser {
  readonly #text: string;
  readonly #tokens: Token[];
  readonly #selectors: Selector[] = [];
  readonly #groupings: string[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  parse(): ParsedQuery {
    const shape = this.#expression();
    if (this.#next.kind !== "end") this.#fail("the end");
    if (shape === "range") this.#fail("a function around a range");
    return { selectors: this.#selectors, groupings: this.#groupings };
  }

  get #next(): Token {
    return this.#tokens[this.#at] as Token;
  }

  /** Operands and the operators between them. */
  #expression(): Shape {
    let shape = this.#operand();
    while (OPERATORS.includes(this.#next.text) || SETS.includes(this.#next.text)) {
      this.#at++;
      this.#take("bool");
      while (JOINING.includes(this.#next.text)) {
        this.#at++;
        if (this.#next.text === "(") this.#labelList();
      }
      if (shape === "range" || this.#operand() === "range") this.#fail("a function around a range");
      shape = "other";
    }
    return shape;
  }

  #operand(): Shape {
    if (this.#take("-") || this.#take("+")) return this.#operand();
    const { kind, text } = this.#next;
    if (kind === "number" || kind === "string") {
      this.#at++;
      return "other";
    }
    if (this.#take("(")) {
      const shape = this.#expression();
      this.#expect(")");
      return shape;
    }
    if (kind !== "name") return this.#fail("an operand");
    if (AGGREGATIONS.includes(text)) return this.#aggregation();
    if (this.#tokens[this.#at + 1]?.text === "(") return this.#call();
    return this.#selector();
  }

  #aggregation(): Shape {
    this.#at++;
    const isGrouped = this.#grouping();
    this.#expect("(");
    if (this.#expression() === "range") this.#fail("a function around a range");
    this.#expect(")");
    if (!isGrouped) this.#grouping();
    return "other";
  }

  #grouping(): boolean {
    if (!this.#take("by") && !this.#take("without")) return false;
    this.#labelList();
    return true;
  }

  #labelList(): void {
    this.#expect("(");
    while (!this.#take(")")) {
      this.#groupings.push(this.#expectKind("name", "a label"));
      if (this.#next.text !== ")") this.#expect(",");
    }
  }

  #call(): Shape {
    const name = this.#next.text;
    const wanted = FUNCTIONS[name];
    if (wanted === undefined) return this.#fail("a known function");
    this.#at++;
    this.#expect("(");
    for (const [index, shape] of wanted.entries()) {
      if (index > 0) this.#expect(",");
      if (this.#expression() !== shape) this.#fail(`another argument of ${name}`);
    }
    this.#expect(")");
    return "other";
  }

  #selector(): Shape {
    const metric = this.#next.text;
    const labels: string[] = [];
    this.#at++;
    if (this.#take("{")) {
      while (!this.#take("}")) {
        labels.push(this.#expectKind("name", "a label"));
        if (!["=", "!=", "=~", "!~"].some((sign) => this.#take(sign))) this.#fail("a matcher");
        this.#expectKind("string", "a string");
        if (this.#next.text !== "}") this.#expect(",");
      }
    }
    this.#selectors.push({ metric, labels });
    if (!this.#take("[")) return "other";
    this.#expectKind("duration", "a duration");
    this.#expect("]");
    return "range";
  }

  #take(text: string): boolean {
    const { kind } = this.#next;
    if (this.#next.text !== text || kind === "string" || kind === "end") return false;
    this.#at++;
    return true;
  }

  #expect(text: string): void {
    if (!this.#take(text)) this.#fail(`"${text}"`);
  }

  #expectKind(kind: Token["kind"], wanted: string): string {
    const { text } = this.#next;
    if (this.#next.kind !== kind) this.#fail(wanted);
    this.#at++;
    return text;
  }

  #fail(wanted: string): never {
    const { kind, text } = this.#next;
    const found = kind === "end" ? "the end" : text;
    throw new SyntaxError(`expected ${wanted}, found ${found} in: ${this.#text}`);
  }
}

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < end) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new SyntaxError(`cannot read ${text.slice(from)} in: ${text}`);
    const [, string, duration, number, name, sign = ""] = match;
    if (string !== undefined) tokens.push({ kind: "string", text: string });
    else if (duration !== undefined) tokens.push({ kind: "duration", text: duration });
    else if (number !== undefined) tokens.push({ kind: "number", text: number });
    else if (name !== undefined) tokens.push({ kind: "name", text: name });
    else tokens.push({ kind: "sign", text: sign });
  }
  tokens.push({ kind: "end", text: "" });
  return tokens;
}
