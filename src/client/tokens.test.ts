/** The suite of tokens that end on the server of this repository, and of credentials that are wrong. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdClientError } from "./errors.ts";
import { VirtualClock } from "../env/testing/index.ts";
import { failure } from "./testing/check.ts";
import { tokenSuite } from "./testing/suite-tokens.ts";
import { OUR_WORLD } from "./testing/world.ts";
import { TokenSource } from "./token-source.ts";

tokenSuite(OUR_WORLD);

/** Logins of a source whose password is right only when it is "good". */
function source(password: string) {
  const clock = new VirtualClock();
  const credentials = { username: "ann", password };
  const asked: string[] = [];
  const authenticate = async ({ password: given }: { readonly password: string }) => {
    asked.push(given);
    if (given === "good") return "token";
    throw new EtcdClientError("etcdserver: authentication failed, invalid user ID or password", {
      code: 3,
      kind: "authFailed",
    });
  };
  return { clock, credentials, asked, tokens: new TokenSource(credentials, authenticate, clock) };
}

test("a wrong password is not tried at every call, but again after a while that grows", async () => {
  const { clock, asked, tokens } = source("bad");
  for (let i = 0; i < 100; i++) await failure(tokens.fetch(), "authFailed");
  assert.equal(asked.length, 1);
  const tries = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000];
  for (const [i, pauseMs] of tries.entries()) {
    clock.advance(pauseMs - 1);
    await failure(tokens.fetch(), "authFailed");
    assert.equal(asked.length, 1 + i);
    clock.advance(1);
    await failure(tokens.fetch(), "authFailed");
    assert.equal(asked.length, 2 + i);
  }
});

test("credentials that have changed are tried at once", async () => {
  const { asked, tokens, credentials } = source("bad");
  await failure(tokens.fetch(), "authFailed");
  credentials.password = "good";
  assert.equal(await tokens.fetch(), "token");
  assert.deepEqual(asked, ["bad", "good"]);
});
