/**
 * A decoded header section, checked against the rules of RFC 9113 8.2 and 8.3. Blocks are
 * immutable and may be shared by many streams: clients repeat the same bytes call after call.
 */
import {
  FIELD_AUTHORITY,
  FIELD_CONNECTION_SPECIFIC,
  FIELD_CONTENT_LENGTH,
  FIELD_HOST,
  FIELD_INVALID,
  FIELD_METHOD,
  FIELD_PATH,
  FIELD_PLAIN,
  FIELD_SCHEME,
  FIELD_STATUS,
  FIELD_TE,
  FIELD_UNKNOWN_PSEUDO,
  type HeaderField,
} from "./header-field.ts";

/** RFC 9110 5.6.2. */
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/;

export class HeaderBlock {
  method = "";
  path = "";
  scheme = "";
  /** `:authority`, or `host` where it is absent. */
  authority = "";
  /** `:status`, or 0. */
  status = 0;
  /** -1 without a content-length field. */
  contentLength = -1;
  /** Why the section is malformed whatever it is used for, or "". */
  problem = "";
  /** The list was larger than allowed; `fields` holds the part that fitted. */
  tooLarge = false;
  /** What the layer above derived from this block; it owns the slot. */
  interpretation: unknown = undefined;
  readonly #regular: HeaderField[] = [];
  /** Fields named host and :authority. */
  hostCount = 0;
  authorityCount = 0;
  #pseudoCount = 0;
  #hasPath = false;
  #host = "";

  /** Takes the next field of the section; for the decoder, before anyone else sees the block. */
  add(field: HeaderField): void {
    const kind = field.kind;
    if (kind > FIELD_PLAIN && kind <= FIELD_UNKNOWN_PSEUDO) {
      if (this.#regular.length > 0) {
        this.problem = `pseudo-header ${field.name} after a regular field`;
      }
      this.#pseudoCount += 1;
      this.#takePseudo(field);
      return;
    }
    this.#regular.push(field);
    if (kind !== FIELD_PLAIN) this.#checkRegular(field);
  }

  /** The section is complete. */
  seal(tooLarge: boolean): void {
    this.tooLarge = tooLarge;
    // As grpc-go: where both stand, `host` means nothing.
    if (this.authority === "") this.authority = this.#host;
  }

  /** Regular fields only, in order. */
  get fields(): readonly HeaderField[] {
    return this.#regular;
  }

  /** Why this cannot start a request, or "". */
  requestProblem(): string {
    if (this.problem !== "") return this.problem;
    if (this.status !== 0) return "a request with :status";
    if (this.method === "") return "missing :method";
    if (this.method === "CONNECT") {
      const plain = !this.#hasPath && this.scheme === "" && this.authority !== "";
      return plain ? "" : "bad CONNECT request";
    }
    if (!this.#hasPath) return "missing :path";
    return this.scheme === "" ? "missing :scheme" : "";
  }

  /** Why this cannot be a response head, or "". */
  responseProblem(): string {
    if (this.problem !== "") return this.problem;
    return this.status >= 100 && this.#pseudoCount === 1 ? "" : "bad response pseudo-headers";
  }

  /** Why this cannot be a trailer section, or "". */
  trailerProblem(): string {
    if (this.problem !== "") return this.problem;
    return this.#pseudoCount === 0 ? "" : "pseudo-header in trailers";
  }

  /** First value of a field, or undefined. */
  get(name: string): string | undefined {
    for (const field of this.fields) if (field.name === name) return field.value;
    return undefined;
  }

  #takePseudo(field: HeaderField): void {
    const value = field.value;
    switch (field.kind) {
      case FIELD_METHOD:
        if (this.method !== "" || (value !== "POST" && !TOKEN.test(value))) {
          this.problem = "bad or repeated :method";
        }
        this.method = value;
        break;
      case FIELD_PATH:
        if (this.#hasPath) this.problem = "repeated :path";
        this.#hasPath = true;
        this.path = value;
        break;
      case FIELD_SCHEME:
        if (this.scheme !== "" || value === "") this.problem = "empty or repeated :scheme";
        this.scheme = value;
        break;
      case FIELD_AUTHORITY:
        if (this.authorityCount > 0) this.problem = "repeated :authority";
        this.authorityCount += 1;
        this.authority = value;
        break;
      case FIELD_STATUS:
        if (this.status !== 0 || (value !== "200" && !/^[1-5][0-9][0-9]$/.test(value))) {
          this.problem = "bad or repeated :status";
        }
        this.status = Number(value);
        break;
      default:
        this.problem = `unknown pseudo-header ${field.name}`;
    }
  }

  #checkRegular(field: HeaderField): void {
    switch (field.kind) {
      case FIELD_HOST:
        this.hostCount += 1;
        this.#host = field.value;
        break;
      case FIELD_INVALID:
        this.problem = "invalid header field";
        break;
      case FIELD_CONNECTION_SPECIFIC:
        this.problem = `connection-specific field ${field.name}`;
        break;
      case FIELD_TE:
        if (field.value !== "trailers") this.problem = "te other than trailers";
        break;
      case FIELD_CONTENT_LENGTH: {
        const length = /^[0-9]{1,15}$/.test(field.value) ? Number(field.value) : -1;
        if (length < 0 || (this.contentLength >= 0 && this.contentLength !== length)) {
          this.problem = "bad content-length";
        }
        this.contentLength = length;
        break;
      }
      default:
    }
  }
}
