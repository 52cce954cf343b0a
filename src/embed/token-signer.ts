/** The key that signs and checks login tokens, from the files of `--auth-token=jwt,…`. */
import { readFileSync } from "node:fs";
import { jwtOptionsError, parseTokenOptions, TokenOptionsError } from "../auth/index.ts";
import { systemErrorText } from "../base/system-errors.ts";
import type { Logger } from "../env/logger.ts";
import type { TokenSigner } from "../env/secrets.ts";
import { tokenSigner } from "../platform/index.ts";
import { ConfigError, type EtcdConfig } from "./config/index.ts";

/**
 * Undefined when the settings ask for another kind of token. Throws `ConfigError` for options that
 * are wrong and files that cannot be read, with a line in the log as etcd has it, and
 * `TokenKeyError` when there is no key in them that can serve.
 */
export function openTokenSigner(config: EtcdConfig, logger: Logger): TokenSigner | undefined {
  try {
    return signerOf(config);
  } catch (error) {
    if (!(error instanceof TokenOptionsError)) throw error;
    logger.error(error.line, error.fields);
    throw new ConfigError(error.message);
  }
}

function signerOf({ authToken }: EtcdConfig): TokenSigner | undefined {
  const options = parseTokenOptions(authToken);
  if (options.kind !== "jwt") return undefined;
  return tokenSigner(options.algorithm, {
    publicKey: read(options.publicKeyFile),
    privateKey: read(options.privateKeyFile),
  });
}

function read(path: string): Uint8Array | undefined {
  if (path === "") return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw jwtOptionsError(`open ${path}: ${systemErrorText(error)}`);
  }
}
