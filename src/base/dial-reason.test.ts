import assert from "node:assert/strict";
import { test } from "node:test";
import { dialReason } from "./dial-reason.ts";

/** As Node makes them. */
function failure(code: string, more: Record<string, unknown> = {}): Error {
  return Object.assign(new Error("Node's words"), { code, ...more });
}

const UNVERIFIED = "tls: failed to verify certificate: x509: ";

test("a connection that fails is told in the words that Go's programs have", () => {
  const altName = (host: string, subjectaltname?: string): Error =>
    failure("ERR_TLS_CERT_ALTNAME_INVALID", { host, cert: { subjectaltname } });
  const alert = (reason: string): Error =>
    failure("ERR_SSL_ALERT", { reason: `ssl/tls alert ${reason}` });
  const cases: readonly (readonly [Error, string])[] = [
    [failure("ECONNREFUSED"), "connect: connection refused"],
    [
      failure("UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
      `${UNVERIFIED}certificate signed by unknown authority`,
    ],
    [
      failure("DEPTH_ZERO_SELF_SIGNED_CERT"),
      `${UNVERIFIED}certificate signed by unknown authority`,
    ],
    [failure("CERT_HAS_EXPIRED"), `${UNVERIFIED}certificate has expired or is not yet valid`],
    [
      altName("127.0.0.1", "IP Address:10.0.0.1, DNS:a, IP Address:10.0.0.2"),
      `${UNVERIFIED}certificate is valid for 10.0.0.1, 10.0.0.2, not 127.0.0.1`,
    ],
    [
      altName("127.0.0.1", "DNS:a"),
      `${UNVERIFIED}cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs`,
    ],
    [altName("c", "DNS:a, DNS:*.b"), `${UNVERIFIED}certificate is valid for a, *.b, not c`],
    [altName("c"), `${UNVERIFIED}certificate is not valid for any names, but wanted to match c`],
    [alert("bad certificate"), "remote error: tls: bad certificate"],
    [alert("unknown ca"), "remote error: tls: unknown certificate authority"],
    [
      failure("ERR_SSL_WRONG_VERSION_NUMBER"),
      "tls: first record does not look like a TLS handshake",
    ],
    [
      Object.assign(
        new Error(
          "Client network socket disconnected before secure TLS connection was established",
        ),
        { code: "ECONNRESET" },
      ),
      "EOF",
    ],
  ];
  for (const [error, words] of cases) assert.equal(dialReason(error), words);
});
