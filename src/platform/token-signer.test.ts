import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { TokenKeyError, tokenSigner } from "./token-signer.ts";

interface Pem {
  readonly publicKey: Buffer;
  readonly privateKey: Buffer;
}

const PUBLIC = { type: "spki", format: "pem" } as const;
const PRIVATE = { type: "pkcs8", format: "pem" } as const;

function pem(pair: { publicKey: string; privateKey: string }): Pem {
  return { publicKey: Buffer.from(pair.publicKey), privateKey: Buffer.from(pair.privateKey) };
}

function rsa(modulusLength: number): Pem {
  const options = { modulusLength, publicKeyEncoding: PUBLIC, privateKeyEncoding: PRIVATE };
  return pem(generateKeyPairSync("rsa", options));
}

function ec(namedCurve: string): Pem {
  const options = { namedCurve, publicKeyEncoding: PUBLIC, privateKeyEncoding: PRIVATE };
  return pem(generateKeyPairSync("ec", options));
}

const RSA = rsa(2048);
const OTHER_RSA = rsa(2048);
const SECRET: Pem = { publicKey: Buffer.alloc(0), privateKey: Buffer.from("a shared secret") };
const ED25519 = pem(
  generateKeyPairSync("ed25519", { publicKeyEncoding: PUBLIC, privateKeyEncoding: PRIVATE }),
);

const KEYS: Readonly<Record<string, Pem>> = {
  RS256: RSA,
  RS384: RSA,
  RS512: RSA,
  PS256: RSA,
  PS384: RSA,
  PS512: RSA,
  ES256: ec("prime256v1"),
  ES384: ec("secp384r1"),
  ES512: ec("secp521r1"),
  EdDSA: ED25519,
  HS256: SECRET,
  HS384: SECRET,
  HS512: SECRET,
};

for (const [algorithm, keys] of Object.entries(KEYS)) {
  test(`${algorithm} signs, and refuses any other text or signature`, () => {
    const signer = tokenSigner(algorithm, keys);
    const signature = signer.sign("header.claims");
    assert.equal(signer.algorithm, algorithm);
    assert.equal(signer.canSign, true);
    assert.equal(signer.verify("header.claims", signature), true);
    assert.equal(signer.verify("header.claimz", signature), false);
    assert.equal(signer.verify("header.claims", signature.slice(2)), false);
    assert.equal(signer.verify("header.claims", ""), false);
  });
}

test("a member with the public key alone checks what another one signs", () => {
  const signer = tokenSigner("ES256", KEYS["ES256"] as Pem);
  const { publicKey } = KEYS["ES256"] as Pem;
  const verifier = tokenSigner("ES256", { publicKey, privateKey: undefined });
  assert.equal(verifier.canSign, false);
  assert.equal(verifier.verify("text", signer.sign("text")), true);
});

test("keys that are missing, damaged, of another kind or pair are refused at start", () => {
  const nothing = undefined;
  const table: [string, string, Parameters<typeof tokenSigner>[1], RegExp][] = [
    ["no key", "RS256", { publicKey: nothing, privateKey: nothing }, /missing key data/],
    ["no secret", "HS256", { publicKey: RSA.publicKey, privateKey: nothing }, /missing key data/],
    [
      "no PEM",
      "RS256",
      { publicKey: Buffer.from("x"), privateKey: nothing },
      /must be a PEM encoded PKCS1 or PKCS8 key/,
    ],
    ["EC for RSA", "RS256", KEYS["ES256"] as Pem, /key is not a valid RSA private key/],
    ["another curve", "ES256", KEYS["ES384"] as Pem, /not of the kind that ES256 takes/],
    ["a short key", "RS256", rsa(1024), /less than 2048 bits/],
    [
      "two pairs",
      "PS256",
      { publicKey: OTHER_RSA.publicKey, privateKey: RSA.privateKey },
      /public and private keys don't match/,
    ],
    ["no algorithm", "none", RSA, /invalid auth signature method/],
  ];
  for (const [name, algorithm, keys, message] of table) {
    const refused = (error: unknown): boolean =>
      error instanceof TokenKeyError && message.test(error.message);
    assert.throws(() => tokenSigner(algorithm, keys), refused, name);
  }
});
