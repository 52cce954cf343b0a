import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { bundleProblem, pairProblem } from "./pem.ts";

const bytes = (text: string): Buffer => Buffer.from(text);
const block = (label: string): Buffer =>
  bytes(`-----BEGIN ${label}-----\naGVsbG8=\n-----END ${label}-----\n`);
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const KEY = bytes(String(privateKey.export({ type: "pkcs8", format: "pem" })));

test("a certificate or key that is none is refused before anything is dialled", () => {
  const cases: [Buffer, Buffer, string][] = [
    [bytes("x"), KEY, "tls: failed to find any PEM data in certificate input"],
    [
      KEY,
      KEY,
      "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched",
    ],
    [
      Buffer.concat([block("A"), block("B")]),
      KEY,
      'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following types: [A B]',
    ],
    [block("CERTIFICATE"), bytes("x"), "tls: failed to find any PEM data in key input"],
    [
      block("CERTIFICATE"),
      block("CERTIFICATE"),
      "tls: found a certificate rather than a key in the PEM for the private key",
    ],
    [
      block("CERTIFICATE"),
      block("EC PARAMETERS"),
      'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the following types: [EC PARAMETERS]',
    ],
    [block("CERTIFICATE"), KEY, "x509: malformed certificate"],
  ];
  for (const [cert, key, problem] of cases) assert.equal(pairProblem(cert, key), problem);
});

test("a bundle may be empty, but what is in it must be certificates", () => {
  assert.equal(bundleProblem(bytes("nothing")), undefined);
  assert.equal(bundleProblem(block("CERTIFICATE")), "x509: malformed certificate");
  assert.equal(bundleProblem(KEY), "x509: malformed certificate");
});
