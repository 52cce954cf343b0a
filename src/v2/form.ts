/**
 * The parameters of a request, from its query and, if there is a form in it, its body: by the rules
 * of Go's `ParseForm`, with its error texts.
 */
import { type HttpRequest, HttpBodyTooLarge } from "../env/http.ts";
import { utf8FromBytes } from "../base/bytes.ts";
import { V2_CODE, V2Error, type V2ErrorCode } from "../v2store/index.ts";

/** As Go's server takes: a larger form is refused. */
const MAX_FORM_BYTES = 10_485_760;

const FORM_TYPE = "application/x-www-form-urlencoded";

/** What a name was given, the first first: those of the body before those of the query. */
export class Form {
  readonly #values: ReadonlyMap<string, string>;

  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** "" for a parameter that was not given. */
  text(name: string): string {
    return this.#values.get(name) ?? "";
  }

  /** False for one that was not given. Throws `V2Error`. */
  flag(name: string, complaint = `invalid value for "${name}"`): boolean {
    const text = this.#values.get(name);
    if (text === undefined) return false;
    if (TRUE.has(text)) return true;
    if (FALSE.has(text)) return false;
    throw new V2Error(V2_CODE.invalidField, complaint);
  }

  /** 0 for one that was not given; a 64-bit number otherwise. Throws `V2Error` with `code`. */
  number(name: string, code: V2ErrorCode): bigint {
    const text = this.#values.get(name);
    if (text === undefined) return 0n;
    const value = /^\d+$/.test(text) ? BigInt(text) : MAX_UINT64 + 1n;
    if (value > MAX_UINT64) throw new V2Error(code, `invalid value for "${name}"`);
    return value;
  }
}

const MAX_UINT64 = 0xffff_ffff_ffff_ffffn;
/** Go's `strconv.ParseBool`. */
const TRUE: ReadonlySet<string> = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE: ReadonlySet<string> = new Set(["0", "f", "F", "FALSE", "false", "False"]);

/** At once where no body is to be waited for. Throws or rejects with `V2Error` for what is no form. */
export function readForm(request: HttpRequest): Form | Promise<Form> {
  const isPosted = request.method === "POST" || request.method === "PUT";
  if (isPosted && isForm(request)) return readPosted(request);
  return formOf(new Map(), undefined, request.query);
}

async function readPosted(request: HttpRequest): Promise<Form> {
  const values = new Map<string, string>();
  const problem = addPairs(values, await formBody(request));
  return formOf(values, problem, request.query);
}

function formOf(values: Map<string, string>, problem: string | undefined, query: string): Form {
  const reason = problem ?? addPairs(values, query);
  if (reason !== undefined) throw new V2Error(V2_CODE.invalidForm, reason);
  return new Form(values);
}

function isForm({ headers }: HttpRequest): boolean {
  const type = headers["content-type"] ?? "";
  if (type === FORM_TYPE) return true;
  const [media = ""] = type.split(";");
  return media.trim().toLowerCase() === FORM_TYPE;
}

async function formBody(request: HttpRequest): Promise<string> {
  try {
    return utf8FromBytes(await request.readBody(MAX_FORM_BYTES));
  } catch (error) {
    if (!(error instanceof HttpBodyTooLarge)) throw error;
    throw new V2Error(V2_CODE.invalidForm, "http: POST too large");
  }
}

/** Adds pairs whose name is new; what was wrong with others, in Go's words. */
function addPairs(values: Map<string, string>, text: string): string | undefined {
  let problem: string | undefined;
  if (text === "") return undefined;
  for (const pair of text.split("&")) {
    if (pair.includes(";")) {
      problem = "invalid semicolon separator in query";
      continue;
    }
    if (pair === "") continue;
    const middle = pair.indexOf("=");
    const name = unescaped(middle < 0 ? pair : pair.slice(0, middle));
    const value = unescaped(middle < 0 ? "" : pair.slice(middle + 1));
    if (typeof name !== "string") problem ??= name.problem;
    else if (typeof value !== "string") problem ??= value.problem;
    else if (!values.has(name)) values.set(name, value);
  }
  return problem;
}

function unescaped(text: string): string | { readonly problem: string } {
  if (!text.includes("%")) return text.includes("+") ? text.replaceAll("+", " ") : text;
  const bad = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(text);
  if (bad !== null) return { problem: `invalid URL escape ${JSON.stringify(bad[0])}` };
  const latin1 = Buffer.from(text.replaceAll("+", " "), "utf8")
    .toString("latin1")
    .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    );
  return Buffer.from(latin1, "latin1").toString("utf8");
}
