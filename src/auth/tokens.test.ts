import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import type { TokenSigner } from "../env/secrets.ts";
import { SeededRandom } from "../env/testing/index.ts";
import { JwtTokens } from "./jwt-tokens.ts";
import { SimpleTokens } from "./simple-tokens.ts";
import type { TokenContext, TokenProvider } from "./tokens.ts";

function context(more: Partial<TokenContext> = {}): TokenContext {
  return { nowMs: 0, wallMs: 0, authRevision: 5, appliedIndex: 100, ...more };
}

function simple(maxTokens = 10): SimpleTokens {
  const tokens = new SimpleTokens({ random: new SeededRandom(1), ttlMs: 1000, maxTokens });
  tokens.enable();
  return tokens;
}

function login(tokens: TokenProvider, username: string, index: number, nowMs = 0): string {
  return tokens.assign({ username, prefix: tokens.newPrefix(), index, authRevision: 5 }, nowMs);
}

test("a simple token has sixteen letters and the index of its login", () => {
  assert.match(login(simple(), "ann", 42), /^[a-zA-Z]{16}\.42$/);
});

test("a simple token lives on while it is used, and ends when it is not", () => {
  const tokens = simple();
  const token = login(tokens, "ann", 1);
  const kindAt = (nowMs: number): string => tokens.verify(token, context({ nowMs })).kind;
  assert.equal(kindAt(900), "valid");
  assert.equal(kindAt(1800), "valid");
  assert.equal(kindAt(2800), "invalid");
  assert.equal(kindAt(2801), "invalid");
});

test("a simple token is its user at the store's present revision", () => {
  const tokens = simple();
  const token = login(tokens, "ann", 1);
  assert.deepEqual(tokens.verify(token, context({ authRevision: 9 })), {
    kind: "valid",
    identity: { username: "ann", authRevision: 9 },
  });
});

test("uses of a token are one identity until the revision of auth changes", () => {
  const tokens = simple();
  const token = login(tokens, "ann", 1);
  const at = (authRevision: number) => {
    const verdict = tokens.verify(token, context({ authRevision }));
    return verdict.kind === "valid" ? verdict.identity : undefined;
  };
  assert.equal(at(5), at(5));
  assert.deepEqual(at(6), { username: "ann", authRevision: 6 });
  assert.equal(at(6), at(6));
});

test("a token from a member that is ahead may become valid", () => {
  const tokens = simple();
  const context7 = context({ appliedIndex: 7 });
  assert.deepEqual(tokens.verify("abcdefghijklmnop.8", context7), { kind: "early", index: 8 });
  // Since 3.5 the index is that before the login.
  assert.deepEqual(tokens.verify("abcdefghijklmnop.7", context7), { kind: "early", index: 8 });
  assert.equal(tokens.verify("abcdefghijklmnop.6", context7).kind, "invalid");
  for (const token of ["", "x", "x.y", "x.1.2", "x.-1", "x.1e3", `x.${"9".repeat(16)}`]) {
    assert.equal(tokens.verify(token, context7).kind, "invalid", token);
  }
});

test("a token is good in the form of 3.4 and in that of 3.5, however it was given out", () => {
  const tokens = simple();
  const letters = login(tokens, "ann", 5).split(".")[0];
  for (const index of [4, 5, 6]) {
    assert.equal(tokens.verify(`${letters}.${index}`, context()).kind, "valid", String(index));
  }
  for (const token of [`${letters}.3`, `${letters}.7`, `x${letters}.5`, ".5"]) {
    assert.equal(tokens.verify(token, context({ appliedIndex: 9 })).kind, "invalid", token);
  }
});

test("a login without letters is remembered by nobody", () => {
  const tokens = simple();
  const token = tokens.assign({ username: "ann", prefix: "", index: 5, authRevision: 1 }, 0);
  assert.equal(tokens.verify(token, context({ appliedIndex: 9 })).kind, "invalid");
});

test("logins end with their user, and all of them when authentication is switched off", () => {
  const tokens = simple();
  const ann = login(tokens, "ann", 1);
  const bob = login(tokens, "bob", 2);
  tokens.invalidateUser("ann");
  assert.equal(tokens.verify(ann, context()).kind, "invalid");
  assert.equal(tokens.verify(bob, context()).kind, "valid");
  tokens.disable();
  assert.equal(tokens.verify(bob, context()).kind, "invalid");
  tokens.enable();
  assert.equal(tokens.verify(bob, context()).kind, "invalid");
});

test("the number of simple tokens is bounded; the one unused for longest goes first", () => {
  const tokens = simple(2);
  const first = login(tokens, "a", 1);
  const second = login(tokens, "b", 2);
  assert.equal(tokens.verify(first, context({ nowMs: 100 })).kind, "valid");
  const third = login(tokens, "c", 3, 100);
  assert.equal(tokens.size, 2);
  assert.equal(tokens.verify(second, context()).kind, "invalid");
  assert.equal(tokens.verify(first, context()).kind, "valid");
  assert.equal(tokens.verify(third, context()).kind, "valid");
});

/** HS256 with a key of the test. */
function signer(key = "key", counts = { verified: 0 }): TokenSigner {
  const sign = (text: string): string => createHmac("sha256", key).update(text).digest("base64url");
  return {
    algorithm: "HS256",
    canSign: true,
    sign,
    verify(text, signature) {
      counts.verified++;
      return sign(text) === signature;
    },
  };
}

function jwt(key?: string, counts?: { verified: number }): JwtTokens {
  return new JwtTokens({ signer: signer(key, counts), ttlMs: 60_000, wallMs: () => 1_000_000 });
}

function encoded(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A token with a good signature of the test's key over whatever is given. */
function forged(header: unknown, claims: unknown): string {
  const signed = `${encoded(header)}.${encoded(claims)}`;
  return `${signed}.${signer().sign(signed)}`;
}

test("a JSON web token carries user, revision and expiry", () => {
  const tokens = jwt();
  const token = login(tokens, "ann", 1);
  const at = (wallMs: number) => tokens.verify(token, context({ wallMs }));
  assert.deepEqual(at(1_000_000), {
    kind: "valid",
    identity: { username: "ann", authRevision: 5 },
  });
  assert.equal(at(1_061_000).kind, "invalid");
  const [, claims = ""] = token.split(".");
  assert.deepEqual(JSON.parse(Buffer.from(claims, "base64url").toString()), {
    exp: 1060,
    revision: 5,
    username: "ann",
  });
});

test("a JSON web token of another key, algorithm or form is refused", () => {
  const tokens = jwt();
  const claims = { username: "root", revision: 5, exp: 2000 };
  const good = forged({ alg: "HS256", typ: "JWT" }, claims);
  assert.equal(tokens.verify(good, context()).kind, "valid");
  const bad: Record<string, string> = {
    "another key": login(jwt("other"), "root", 1),
    "no algorithm": `${encoded({ alg: "none" })}.${encoded(claims)}.`,
    "signed, but says none": forged({ alg: "none" }, claims),
    "another algorithm": forged({ alg: "RS256" }, claims),
    "algorithm in lower case": forged({ alg: "hs256" }, claims),
    "a critical extension": forged({ alg: "HS256", crit: ["x"] }, claims),
    "no user": forged({ alg: "HS256" }, { revision: 5 }),
    "a user that is no text": forged({ alg: "HS256" }, { username: 1, revision: 5 }),
    "no revision": forged({ alg: "HS256" }, { username: "root" }),
    "an expiry that is no number": forged({ alg: "HS256" }, { ...claims, exp: "never" }),
    "not yet": forged({ alg: "HS256" }, { ...claims, nbf: 3000 }),
    "claims that are a list": forged({ alg: "HS256" }, [claims]),
    "four parts": `${good}.x`,
    "two parts": good.slice(0, good.lastIndexOf(".")),
    "many dots": ".".repeat(100_000),
    "padded base64": good.replace(".", "=."),
  };
  for (const [name, token] of Object.entries(bad)) {
    assert.equal(tokens.verify(token, context()).kind, "invalid", name);
  }
});

test("the signature of a token is checked once", () => {
  const counts = { verified: 0 };
  const tokens = jwt("key", counts);
  const token = login(tokens, "ann", 1);
  for (let i = 0; i < 5; i++) assert.equal(tokens.verify(token, context()).kind, "valid");
  assert.equal(counts.verified, 1);
});

test("so many tokens are remembered; the oldest is checked again", () => {
  const counts = { verified: 0 };
  const tokens = jwt("key", counts);
  const tokenOf = (user: string): string => login(tokens, user, 1);
  const remembered = 10_000;
  for (let i = 0; i <= remembered; i++) tokens.verify(tokenOf(`u${i}`), context());
  assert.equal(counts.verified, remembered + 1);
  tokens.verify(tokenOf(`u${remembered}`), context());
  tokens.verify(tokenOf("u1"), context());
  assert.equal(counts.verified, remembered + 1);
  tokens.verify(tokenOf("u0"), context());
  assert.equal(counts.verified, remembered + 2);
});

test("a member that knows only the public key issues no tokens", () => {
  const verifyOnly: TokenSigner = { ...signer(), canSign: false };
  const tokens = new JwtTokens({ signer: verifyOnly, ttlMs: 1000, wallMs: () => 0 });
  assert.throws(() => login(tokens, "ann", 1), { kind: "authVerifyOnly" });
});
