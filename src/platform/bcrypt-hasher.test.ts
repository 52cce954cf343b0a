import assert from "node:assert/strict";
import { test } from "node:test";
import { HasherBusyError, PasswordTooLongError } from "../env/secrets.ts";
import { BcryptHasher, MAX_WAITING_HASHES } from "./bcrypt-hasher.ts";

/** The least that bcrypt allows. */
const COST = 4;
/** "secret", hashed by Go's library at cost 4. */
const FROM_GO = "$2a$04$6Gwh6z8Q7vzVCS5WLfxRP.Ly6Un7rpzYDFd4a6Mr9/eVsWmQiVK2K";

test("a hash has Go's form and is verified with its password alone", async () => {
  const hasher = new BcryptHasher();
  const hash = await hasher.hash("secret", COST);
  assert.match(hash, /^\$2a\$04\$/);
  assert.equal(await hasher.verify("secret", hash), true);
  assert.equal(await hasher.verify("Secret", hash), false);
  assert.equal(await hasher.verify("secret", hasher.hashNow("secret", COST)), true);
});

test("a hash that Go wrote is understood", async () => {
  assert.equal(await new BcryptHasher().verify("secret", FROM_GO), true);
});

test("what is no hash lets nobody in", async () => {
  const hasher = new BcryptHasher();
  for (const text of ["", "secret", "$2a$04$short", "$1$abc$def"]) {
    assert.equal(await hasher.verify("secret", text), false, text);
  }
});

test("a password that bcrypt would cut off is refused", async () => {
  const hasher = new BcryptHasher();
  await assert.rejects(hasher.hash("x".repeat(73), COST), PasswordTooLongError);
  await hasher.hash("x".repeat(72), COST);
});

test("more than a bounded number of hashes is not begun, and those begun are done", async () => {
  const hasher = new BcryptHasher();
  const jobs = Array.from({ length: MAX_WAITING_HASHES + 10 }, () =>
    hasher.hash("secret", COST).then(
      () => "done",
      (error: unknown) => (error instanceof HasherBusyError ? "busy" : String(error)),
    ),
  );
  const outcomes = await Promise.all(jobs);
  const done = outcomes.filter((each) => each === "done").length;
  assert.ok(done >= MAX_WAITING_HASHES, `${done} done`);
  assert.ok(done < outcomes.length, "some were refused");
  assert.equal(outcomes.filter((each) => each === "busy").length, outcomes.length - done);
  assert.equal(await hasher.verify("secret", await hasher.hash("secret", COST)), true);
});

test("who waits is asked again when its turn has come, and others are not held up", async () => {
  const hasher = new BcryptHasher();
  const hash = await hasher.hash("secret", COST);
  const refusal = new Error("guessed too often");
  let guessed = 0;
  const admit = () => {
    if (guessed++ >= 3) throw refusal;
  };
  const ended: string[] = [];
  const guesses = Array.from({ length: MAX_WAITING_HASHES }, () =>
    hasher.verify("guess", hash, { lane: "ann", admit }).then(
      (matches) => ended.push(`guess ${matches}`),
      (error: unknown) => ended.push(error === refusal ? "refused" : String(error)),
    ),
  );
  const login = hasher
    .verify("secret", hash, { lane: "bob", admit: () => undefined })
    .then((matches) => ended.push(`login ${matches}`));
  await Promise.all([...guesses, login]);
  assert.equal(ended.filter((each) => each === "guess false").length, 3);
  assert.equal(ended.filter((each) => each === "refused").length, MAX_WAITING_HASHES - 3);
  assert.ok(ended.indexOf("login true") >= 0);
});
