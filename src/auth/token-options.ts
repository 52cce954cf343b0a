/** Reads `--auth-token`: the kind of login tokens and, for JSON web tokens, their options. */
import { parseDurationMs, TextError } from "../base/go-text.ts";
import { DEFAULT_JWT_TTL_MS } from "./jwt-tokens.ts";

export interface JwtOptions {
  /** Name of RFC 7518 (or "EdDSA"); one of `JWT_ALGORITHMS`. */
  readonly algorithm: JwtAlgorithm;
  /** "" when not given. */
  readonly publicKeyFile: string;
  readonly privateKeyFile: string;
  readonly ttlMs: number;
  /** Options that mean nothing; etcd warns of them. */
  readonly unknown: readonly string[];
}

export type TokenOptions =
  | { readonly kind: "simple" }
  | ({ readonly kind: "jwt" } & JwtOptions)
  /** `--auth-token=`: no logins by token, only by client certificates. */
  | { readonly kind: "none" };

const JWT_ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "HS256",
  "HS384",
  "HS512",
] as const;
export type JwtAlgorithm = (typeof JWT_ALGORITHMS)[number];

const KNOWN_OPTIONS = new Set(["sign-method", "pub-key", "priv-key", "ttl"]);

/** In etcd's words; what they mean is a line of its log. */
export class TokenOptionsError extends Error {
  readonly line: string;
  readonly fields: Readonly<Record<string, unknown>>;

  constructor(line: string, fields: Readonly<Record<string, unknown>>) {
    super("auth: invalid auth options");
    this.name = "TokenOptionsError";
    this.line = line;
    this.fields = fields;
  }
}

/** Of an option of JSON web tokens, or of a file that one names. */
export function jwtOptionsError(error: string): TokenOptionsError {
  return new TokenOptionsError("problem loading JWT options", { error });
}

/** Throws `TokenOptionsError`. */
export function parseTokenOptions(text: string): TokenOptions {
  const [kind = "", ...pairs] = text.split(",");
  const options = new Map<string, string>();
  for (const pair of pairs) {
    const [name = "", value, ...more] = pair.split("=");
    if (value === undefined || more.length > 0) {
      throw new TokenOptionsError("invalid token option", { option: text });
    }
    if (options.has(name)) {
      const fields = { option: text, "duplicate-parameter": name };
      throw new TokenOptionsError("invalid token option", fields);
    }
    options.set(name, value);
  }
  switch (kind) {
    case "simple":
      return { kind: "simple" };
    case "":
      return { kind: "none" };
    case "jwt":
      return { kind: "jwt", ...jwtOptions(options) };
    default:
      throw new TokenOptionsError("unknown token type", { type: kind });
  }
}

function jwtOptions(options: ReadonlyMap<string, string>): JwtOptions {
  const method = options.get("sign-method") ?? "";
  const algorithm = JWT_ALGORITHMS.find((each) => each === method);
  const ttlMs = ttlOf(options.get("ttl") ?? "");
  if (algorithm === undefined) throw jwtOptionsError("auth: invalid auth signature method");
  return {
    algorithm,
    publicKeyFile: options.get("pub-key") ?? "",
    privateKeyFile: options.get("priv-key") ?? "",
    ttlMs,
    unknown: [...options.keys()].filter((name) => !KNOWN_OPTIONS.has(name)),
  };
}

function ttlOf(text: string): number {
  if (text === "") return DEFAULT_JWT_TTL_MS;
  try {
    return parseDurationMs(text);
  } catch (error) {
    if (error instanceof TextError) throw jwtOptionsError(error.message);
    throw error;
  }
}
