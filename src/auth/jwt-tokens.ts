/**
 * JSON Web Tokens (RFC 7519) as login tokens: signed by a key file, checked by every member that
 * has the other half, with the claims `username`, `revision` and `exp` that etcd writes.
 *
 * The algorithm is what the configuration says, never what the token says (RFC 8725, section 3.1):
 * a token with another `alg`, "none" included, is refused before its signature is looked at.
 *
 * A verified token is remembered until it expires, within a bound, so that a busy client costs one
 * signature check and not one per request.
 */
import { EtcdError } from "../api/errors.ts";
import type { TokenSigner } from "../env/secrets.ts";
import { badJwt, jwtMayBe, parseJwtClaims, type JwtClaims } from "./jwt-parse.ts";
import type {
  InvalidToken,
  TokenContext,
  TokenLogin,
  TokenProvider,
  TokenVerdict,
  ValidToken,
} from "./tokens.ts";

/** etcd's `ttl` when the option is not given. */
export const DEFAULT_JWT_TTL_MS = 5 * 60 * 1000;
/** Verified tokens remembered; the oldest is forgotten first. */
const MAX_REMEMBERED_JWTS = 10_000;

/** A token whose signature was good; whether its dates are is asked at each use. */
interface SignedToken {
  readonly claims: JwtClaims;
  readonly verdict: ValidToken;
}

export class JwtTokens implements TokenProvider {
  readonly #signer: TokenSigner;
  readonly #ttlMs: number;
  readonly #wallMs: () => number;
  readonly #remembered = new Map<string, SignedToken>();

  constructor(options: {
    readonly signer: TokenSigner;
    readonly ttlMs: number;
    /** `Clock.wallMs`: the claims carry dates. */
    readonly wallMs: () => number;
  }) {
    this.#signer = options.signer;
    this.#ttlMs = options.ttlMs;
    this.#wallMs = options.wallMs;
  }

  enable(): void {}

  disable(): void {
    this.#remembered.clear();
  }

  /** A token of such a user is refused by its revision, which every change of users outdates. */
  invalidateUser(): void {}

  newPrefix(): string {
    return "";
  }

  assign({ username, authRevision }: TokenLogin): string {
    if (!this.#signer.canSign) throw new EtcdError("authVerifyOnly");
    const exp = Math.floor((this.#wallMs() + this.#ttlMs) / 1000);
    const header = base64url(JSON.stringify({ alg: this.#signer.algorithm, typ: "JWT" }));
    const claims = base64url(JSON.stringify({ exp, revision: authRevision, username }));
    const signed = `${header}.${claims}`;
    return `${signed}.${this.#signer.sign(signed)}`;
  }

  verify(token: string, context: TokenContext): TokenVerdict {
    const known = this.#remembered.get(token);
    const signed = known ?? this.#check(token);
    if ("kind" in signed) return signed;
    const { claims } = signed;
    const nowSeconds = context.wallMs / 1000;
    if (claims.expiresAt !== undefined && claims.expiresAt <= nowSeconds) {
      this.#remembered.delete(token);
      return badJwt("token is expired");
    }
    if (claims.notBefore !== undefined && claims.notBefore > nowSeconds) {
      return badJwt("token is not valid yet");
    }
    if (known === undefined) this.#remember(token, signed);
    return signed.verdict;
  }

  /** A token with a good signature, or what is wrong with it. */
  #check(token: string): SignedToken | InvalidToken {
    const parts = jwtMayBe(token);
    if (parts === undefined) return badJwt("it is no JSON web token");
    if (parts.algorithm !== this.#signer.algorithm) return badJwt("invalid signing method");
    if (!this.#signer.verify(parts.signed, parts.signature)) {
      return badJwt("its signature does not match");
    }
    const claims = parseJwtClaims(parts.claims);
    if ("kind" in claims) return claims;
    const { username, authRevision } = claims;
    return { claims, verdict: { kind: "valid", identity: { username, authRevision } } };
  }

  #remember(token: string, signed: SignedToken): void {
    if (this.#remembered.size >= MAX_REMEMBERED_JWTS) {
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest);
        break;
      }
    }
    this.#remembered.set(token, signed);
  }
}

function base64url(text: string): string {
  return Buffer.from(text, "utf8").toString("base64url");
}
