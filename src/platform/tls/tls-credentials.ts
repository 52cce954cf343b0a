/**
 * What one side of a member shows and trusts: certificate, key, authorities and revocation list,
 * always those that the files hold now. A change of the files concerns connections to come;
 * established ones live on. While the new files cannot be used, the last good ones serve.
 */
import { constants, type X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import { type KeyPair, readAuthorities, readKeyPair, readRevocations } from "./tls-files.ts";
import { hasNoCertificate, type TlsSettings } from "./tls-settings.ts";
import { WatchedFiles } from "./watched-files.ts";

export interface ServerCredentials {
  readonly options: SecureContextOptions;
  readonly context: SecureContext;
  readonly leaf: X509Certificate;
}

export interface TlsCredentialsOptions {
  readonly settings: TlsSettings;
  /** The files of `what` have changed and cannot be used; the last good ones stay in force. */
  readonly onReloadFailure: (what: "certificate" | "authorities" | "revocations", e: Error) => void;
}

export class TlsCredentials {
  readonly settings: TlsSettings;
  readonly #serverPair: WatchedFiles<KeyPair> | undefined;
  readonly #clientPair: WatchedFiles<KeyPair> | undefined;
  readonly #authorities: WatchedFiles<readonly string[]> | undefined;
  readonly #revoked: WatchedFiles<ReadonlySet<string>> | undefined;
  #server: (ServerCredentials & { readonly madeOf: readonly unknown[] }) | undefined;
  #client: { readonly context: SecureContext; readonly madeOf: readonly unknown[] } | undefined;

  /** Reads all files. Throws `TlsFileError`, or an error that names what is missing. */
  constructor({ settings, onReloadFailure }: TlsCredentialsOptions) {
    this.settings = settings;
    const { certFile, keyFile, clientCertFile, clientKeyFile, trustedCaFile, crlFile } = settings;
    const pair = (cert: string, key: string): WatchedFiles<KeyPair> =>
      new WatchedFiles({
        paths: [cert, key],
        load: () => readKeyPair(cert, key),
        onFailure: (error) => onReloadFailure("certificate", error),
      });
    if (!hasNoCertificate(settings)) {
      checkPairs(settings);
      this.#serverPair = pair(certFile, keyFile);
      this.#clientPair =
        clientCertFile === "" ? this.#serverPair : pair(clientCertFile, clientKeyFile);
    }
    if (trustedCaFile !== "") {
      this.#authorities = new WatchedFiles({
        paths: [trustedCaFile],
        load: () => readAuthorities(trustedCaFile),
        onFailure: (error) => onReloadFailure("authorities", error),
      });
    }
    if (crlFile !== "") {
      this.#revoked = new WatchedFiles({
        paths: [crlFile],
        load: () => readRevocations(crlFile),
        onFailure: (error) => onReloadFailure("revocations", error),
      });
    }
  }

  /** What a listener shows now; undefined when there is no certificate. */
  server(): ServerCredentials | undefined {
    const pair = this.#serverPair?.current();
    if (pair === undefined) return undefined;
    const authorities = this.#authorities?.current();
    if (!isMadeOf(this.#server, [pair, authorities])) {
      const options = this.#contextOptions(pair, authorities);
      const context = createSecureContext(options);
      this.#server = { options, context, leaf: pair.leaf, madeOf: [pair, authorities] };
    }
    return this.#server;
  }

  /** What a dialer shows and trusts now. */
  client(): SecureContext {
    const pair = this.#clientPair?.current();
    const authorities = this.#authorities?.current();
    if (this.#client === undefined || !isMadeOf(this.#client, [pair, authorities])) {
      const context = createSecureContext(this.#contextOptions(pair, authorities));
      this.#client = { context, madeOf: [pair, authorities] };
    }
    return this.#client.context;
  }

  /** Serial numbers that are revoked now. */
  revoked(): ReadonlySet<string> {
    return this.#revoked?.current() ?? NONE;
  }

  /** The certificates in force, for expiry dates; one if both sides show the same. */
  leaves(): X509Certificate[] {
    const pairs = new Set([this.#serverPair?.current(), this.#clientPair?.current()]);
    return [...pairs].flatMap((pair) => (pair === undefined ? [] : [pair.leaf]));
  }

  #contextOptions(
    pair: KeyPair | undefined,
    authorities: readonly string[] | undefined,
  ): SecureContextOptions {
    const { ciphers, minVersion, maxVersion } = this.settings;
    return {
      ...(pair !== undefined && { cert: pair.cert, key: pair.key }),
      ...(authorities !== undefined && { ca: [...authorities] }),
      ...(ciphers !== undefined && { ciphers }),
      minVersion,
      ...(maxVersion !== undefined && { maxVersion }),
      honorCipherOrder: true,
      // RFC 9113, section 9.2.1: HTTP/2 forbids renegotiation; nothing here needs it.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
    };
  }
}

const NONE: ReadonlySet<string> = new Set();

function isMadeOf(made: { madeOf: readonly unknown[] } | undefined, of: unknown[]): boolean {
  return made?.madeOf.every((part, i) => part === of[i]) === true;
}

function checkPairs({ certFile, keyFile, clientCertFile, clientKeyFile }: TlsSettings): void {
  if (certFile === "" || keyFile === "") {
    throw new Error(
      `KeyFile and CertFile must both be present[key: ${keyFile}, cert: ${certFile}]`,
    );
  }
  if ((clientCertFile === "") !== (clientKeyFile === "")) {
    throw new Error(
      `ClientKeyFile and ClientCertFile must both be present or both absent: key: ${clientKeyFile}, cert: ${clientCertFile}]`,
    );
  }
}
