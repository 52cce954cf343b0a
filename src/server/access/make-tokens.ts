/** The login tokens of a member, as `--auth-token` says. */
import {
  JwtTokens,
  NoTokens,
  SimpleTokens,
  type TokenProvider,
  type TokenOptions,
} from "../../auth/index.ts";
import { assert } from "../../base/assert.ts";
import type { Clock, Logger, Random, TokenSigner } from "../../env/index.ts";

export interface TokenDeps {
  readonly random: Random;
  readonly clock: Clock;
  readonly logger: Logger;
  /** With the key of the settings; there when they ask for JSON web tokens. */
  readonly tokenSigner?: TokenSigner | undefined;
}

export function makeTokens(
  {
    tokens,
    simpleTokenTTLMs,
  }: { readonly tokens: TokenOptions; readonly simpleTokenTTLMs: number },
  { random, clock, logger, tokenSigner }: TokenDeps,
): TokenProvider {
  switch (tokens.kind) {
    case "simple":
      logger.warn("simple token is not cryptographically signed");
      return new SimpleTokens({ random, ttlMs: simpleTokenTTLMs });
    case "jwt": {
      assert(tokenSigner !== undefined, "JSON web tokens need a key");
      if (tokens.unknown.length > 0) logger.warn("unknown JWT options", { keys: tokens.unknown });
      return new JwtTokens({
        signer: tokenSigner,
        ttlMs: tokens.ttlMs,
        wallMs: () => clock.wallMs(),
      });
    }
    case "none":
      return new NoTokens();
  }
}
