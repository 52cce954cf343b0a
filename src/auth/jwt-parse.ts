/** Takes JSON Web Tokens apart (RFC 7515, compact serialization; RFC 7519, claims). */

import type { InvalidToken } from "./tokens.ts";

/** Longer tokens are refused unread: a header of a request has not more room either. */
const MAX_JWT_BYTES = 16 * 1024;

export interface JwtParts {
  readonly algorithm: string;
  /** Header and claims as they were signed. */
  readonly signed: string;
  readonly claims: string;
  /** base64url. */
  readonly signature: string;
}

export interface JwtClaims {
  readonly username: string;
  readonly authRevision: number;
  /** Seconds since 1970, as `exp` and `nbf`; undefined when the token has none. */
  readonly expiresAt: number | undefined;
  readonly notBefore: number | undefined;
}

const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/;

/** The parts of a well-formed token, whose signature nobody has looked at yet. */
export function jwtMayBe(token: string): JwtParts | undefined {
  if (token.length > MAX_JWT_BYTES) return undefined;
  const match = COMPACT.exec(token);
  const [, header, claims, signature] = match ?? [];
  if (header === undefined || claims === undefined || signature === undefined) return undefined;
  const fields = decodeObject(header);
  if (fields === undefined || typeof fields["alg"] !== "string") return undefined;
  // RFC 7515, section 4.1.11: what a "crit" header names must be understood; nothing is here.
  if (fields["crit"] !== undefined) return undefined;
  return { algorithm: fields["alg"], signed: `${header}.${claims}`, claims, signature };
}

/** The claims that a login needs, or what is wrong with them. */
export function parseJwtClaims(encoded: string): JwtClaims | InvalidToken {
  const fields = decodeObject(encoded);
  if (fields === undefined) return badJwt("its claims are no JSON object");
  const { username, revision, exp, nbf } = fields;
  if (typeof username !== "string") {
    return badJwt("it has no user claim", "failed to obtain user claims from jwt token");
  }
  if (typeof revision !== "number" || revision < 0) {
    return badJwt("it has no revision claim", "failed to obtain revision claims from jwt token");
  }
  if (!isDate(exp) || !isDate(nbf)) return badJwt("its dates are no numbers");
  return { username, authRevision: Math.floor(revision), expiresAt: exp, notBefore: nbf };
}

/** A token that is refused; `told` is for the log. */
export function badJwt(reason: string, told = "failed to parse a JWT token"): InvalidToken {
  return { kind: "invalid", reason, told };
}

function isDate(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === "number" && Number.isFinite(value));
}

function decodeObject(encoded: string): Readonly<Record<string, unknown>> | undefined {
  const text = Buffer.from(encoded, "base64url").toString("utf8");
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
