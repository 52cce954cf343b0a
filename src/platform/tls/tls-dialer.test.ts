import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { MemoryLogger } from "../../env/testing/index.ts";
import { selfSignedFiles } from "./self-signed.ts";
import { type Issued, TestAuthority } from "./testing/authority.ts";
import { TlsCredentials } from "./tls-credentials.ts";
import { TlsDialer } from "./tls-dialer.ts";
import { NO_TLS, type TlsSettings } from "./tls-settings.ts";

const directory = mkdtempSync(join(tmpdir(), "tls-dial-"));
after(() => rmSync(directory, { recursive: true }));
const authority = new TestAuthority();

function file(name: string, content: string): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** "verified", or why the dialer hangs up. */
async function dial(
  shown: Issued,
  more: Partial<TlsSettings> = {},
  serverName?: string,
): Promise<string> {
  const server: Server = createServer(shown, (socket) => socket.on("error", () => undefined));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const settings = { ...NO_TLS, trustedCaFile: file("ca.crt", authority.cert), ...more };
  const credentials = new TlsCredentials({ settings, onReloadFailure: () => undefined });
  const { port } = server.address() as AddressInfo;
  const socket = new TlsDialer(credentials).dial({ host: "127.0.0.1", port }, serverName);
  const outcome = await new Promise<string>((resolve) => {
    socket.once("secureConnect", () => resolve("verified"));
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  socket.destroy();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return outcome;
}

test("another member must prove that it is the host that was dialled", async () => {
  assert.equal(await dial(authority.issue({ hosts: ["127.0.0.1"] })), "verified");
  assert.equal(
    await dial(authority.issue({ hosts: ["10.0.0.1"] })),
    "ERR_TLS_CERT_ALTNAME_INVALID",
  );
  const stranger = new TestAuthority("stranger").issue();
  assert.equal(await dial(stranger), "UNABLE_TO_VERIFY_LEAF_SIGNATURE");
  const old = authority.issue({ fromHours: -2, untilHours: -1 });
  assert.equal(await dial(old), "CERT_HAS_EXPIRED");
});

test("a common name is never taken for a host", async () => {
  const legacy = authority.issue({ commonName: "cluster.example", hosts: [] });
  assert.equal(await dial(legacy, {}, "cluster.example"), "ERR_TLS_CERT_ALTNAME_INVALID");
});

test("with DNS discovery it proves the domain instead", async () => {
  const named = authority.issue({ hosts: ["cluster.example"] });
  assert.equal(await dial(named, {}, "cluster.example"), "verified");
  assert.equal(await dial(named), "ERR_TLS_CERT_ALTNAME_INVALID");
});

test("a member with another common name than those allowed is not talked to", async () => {
  const shown = authority.issue({ commonName: "ann" });
  assert.equal(await dial(shown, { allowedCommonNames: ["ann"] }), "verified");
  assert.equal(
    await dial(shown, { allowedCommonNames: ["bob"] }),
    "client certificate authentication failed",
  );
});

test("certificates made at start are for the listeners' hosts, kept, and readable by nobody else", async () => {
  const options = {
    directory: join(directory, "fixtures", "peer"),
    hosts: ["127.0.0.1", "::1", "node.example"],
    validityYears: 2,
    nowMs: Date.now(),
    logger: new MemoryLogger(),
  };
  const { certFile, keyFile } = selfSignedFiles(options);
  const cert = readFileSync(certFile, "utf8");
  const certificate = new X509Certificate(cert);
  assert.equal(certificate.subject, "O=etcd");
  assert.equal(
    certificate.subjectAltName,
    "IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:node.example",
  );
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "secp521r1");
  assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  const years = (Date.parse(certificate.validTo) - options.nowMs) / (365 * 86_400_000);
  assert.ok(Math.abs(years - 2) < 0.001, `${years} years`);
  assert.deepEqual(selfSignedFiles(options), { certFile, keyFile });
  assert.equal(readFileSync(certFile, "utf8"), cert);
  const issued = { cert, key: readFileSync(keyFile, "utf8") };
  assert.equal(await dial(issued), "DEPTH_ZERO_SELF_SIGNED_CERT");
  assert.equal(await dial(issued, { isSelfSigned: true }), "verified");
});
