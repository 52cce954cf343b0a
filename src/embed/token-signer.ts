/** The key that signs and checks login tokens, from the files of `--auth-token=jwt,…`. */
import { readFileSync } from "node:fs";
import { parseTokenOptions } from "../auth/index.ts";
import type { TokenSigner } from "../env/secrets.ts";
import { tokenSigner } from "../platform/index.ts";
import type { EtcdConfig } from "./config/index.ts";

/**
 * Undefined when the settings ask for another kind of token. Throws `TokenKeyError`, or the
 * system's error, when a key cannot be had.
 */
export function openTokenSigner({ authToken }: EtcdConfig): TokenSigner | undefined {
  const options = parseTokenOptions(authToken);
  if (options.kind !== "jwt") return undefined;
  const read = (path: string): Uint8Array | undefined =>
    path === "" ? undefined : readFileSync(path);
  return tokenSigner(options.algorithm, {
    publicKey: read(options.publicKeyFile),
    privateKey: read(options.privateKeyFile),
  });
}
