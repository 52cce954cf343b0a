/**
 * The alert for a client whose certificate was refused after the handshake. In TLS 1.3 a client has
 * finished before the server has judged its certificate, and the runtime can only hang up then. A
 * client that is told `bad certificate` need not guess, so the one record is made here.
 *
 * Invariant: it is sent in the same turn in which the handshake ends. Nothing has been encrypted
 * with the server's traffic key by then (session tickets follow), so the sequence number is 0, and
 * the runtime writes nothing more, as the connection is destroyed.
 */
import { createCipheriv, createHmac } from "node:crypto";
import type { Socket } from "node:net";
import type { Server, TLSSocket } from "node:tls";

/** RFC 8446, section 6. */
const FATAL = 2;
const BAD_CERTIFICATE = 42;
/** Types of records (section 5.1). */
const ALERT = 21;
const APPLICATION_DATA = 23;
/** Of all suites of TLS 1.3. */
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

interface Suite {
  readonly cipher: "aes-128-gcm" | "aes-256-gcm" | "chacha20-poly1305";
  readonly hash: "sha256" | "sha384";
  readonly keyBytes: number;
}

/** Appendix B.4. */
const SUITES: Readonly<Record<string, Suite>> = {
  TLS_AES_128_GCM_SHA256: { cipher: "aes-128-gcm", hash: "sha256", keyBytes: 16 },
  TLS_AES_256_GCM_SHA384: { cipher: "aes-256-gcm", hash: "sha384", keyBytes: 32 },
  TLS_CHACHA20_POLY1305_SHA256: { cipher: "chacha20-poly1305", hash: "sha256", keyBytes: 32 },
};

export class LateAlerts {
  /** The server's first traffic secret of connections that are not judged yet. */
  readonly #secrets = new WeakMap<TLSSocket, Buffer>();

  constructor(server: Server) {
    server.on("keylog", (line, stream) => {
      const secret = /^SERVER_TRAFFIC_SECRET_0 [0-9a-f]+ ([0-9a-f]+)/.exec(line.toString("latin1"));
      if (secret?.[1] !== undefined) this.#secrets.set(stream, Buffer.from(secret[1], "hex"));
    });
  }

  /** `stream` is served: its secret is not needed. */
  forget(stream: TLSSocket): void {
    this.#secrets.delete(stream);
  }

  /**
   * Says on `socket`, which carries `stream`, that the certificate is bad. Nothing happens below
   * TLS 1.3. The caller destroys the connection.
   */
  sendBadCertificate(stream: TLSSocket, socket: Socket): void {
    const secret = this.#secrets.get(stream);
    const suite = SUITES[stream.getCipher().standardName];
    this.forget(stream);
    if (secret !== undefined && suite !== undefined) socket.write(alertRecord(secret, suite));
  }
}

/** Section 5.2, for the first record under `secret`: the nonce is the bare IV. */
function alertRecord(secret: Buffer, { cipher, hash, keyBytes }: Suite): Buffer {
  const inner = Buffer.from([FATAL, BAD_CERTIFICATE, ALERT]);
  // TLS 1.2 is the version that all records name.
  const header = Buffer.from([APPLICATION_DATA, 3, 3, 0, inner.length + TAG_BYTES]);
  const key = expandLabel(hash, secret, "key", keyBytes);
  const iv = expandLabel(hash, secret, "iv", NONCE_BYTES);
  // One name for three suites, of which the types know only one at a time.
  const sealing = createCipheriv(cipher as "chacha20-poly1305", key, iv, {
    authTagLength: TAG_BYTES,
  });
  sealing.setAAD(header, { plaintextLength: inner.length });
  return Buffer.concat([header, sealing.update(inner), sealing.final(), sealing.getAuthTag()]);
}

/** HKDF-Expand-Label (section 7.1) for at most one block of the hash. */
function expandLabel(hash: Suite["hash"], secret: Buffer, label: string, bytes: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`, "latin1");
  const info = Buffer.concat([
    Buffer.from([bytes >> 8, bytes & 0xff, name.length]),
    name,
    // No context, then the number of the block.
    Buffer.from([0, 1]),
  ]);
  return createHmac(hash, secret).update(info).digest().subarray(0, bytes);
}
