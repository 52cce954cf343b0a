import assert from "node:assert/strict";
import { test } from "node:test";
import { EtcdError } from "../../api/errors.ts";
import { VirtualClock } from "../../env/testing/index.ts";
import { LoginLimiter } from "./login-limiter.ts";

const BUSY = (error: unknown) => error instanceof EtcdError && error.kind === "tooManyRequests";

test("a user whose password is guessed may be tried again once a second after ten failures", () => {
  const clock = new VirtualClock();
  const limiter = new LoginLimiter(clock);
  for (let i = 0; i < 11; i++) {
    limiter.check("alice", `10.0.0.${i}:1`);
    limiter.failed("alice", `10.0.0.${i}:1`);
  }
  assert.throws(() => limiter.check("alice", "10.0.0.99:1"), BUSY);
  limiter.check("bob", "10.0.0.99:1");
  clock.advance(1000);
  limiter.check("alice", "10.0.0.99:1");
  limiter.failed("alice", "10.0.0.99:1");
  assert.throws(() => limiter.check("alice", "10.0.0.99:1"), BUSY);
});

test("a login forgives the failures of its user, not those of the address", () => {
  const limiter = new LoginLimiter(new VirtualClock());
  for (let i = 0; i < 11; i++) limiter.failed("alice", "10.0.0.1:1");
  limiter.succeeded("alice", "10.0.0.3:1");
  limiter.check("alice", "10.0.0.2:1");
  for (let i = 0; i < 90; i++) limiter.failed(`user${i}`, `10.0.0.1:${i}`);
  assert.throws(() => limiter.check("alice", "10.0.0.1:5555"), BUSY);
  limiter.check("alice", "10.0.0.2:1");
});

test("who has logged in from an address is not locked out by others who guess", () => {
  const limiter = new LoginLimiter(new VirtualClock());
  limiter.succeeded("alice", "10.0.0.1:1");
  for (let i = 0; i < 11; i++) limiter.failed("alice", "10.9.9.9:1");
  for (let i = 0; i < 101; i++) limiter.failed(`user${i}`, `10.0.0.1:${i}`);
  assert.throws(() => limiter.check("alice", "10.0.0.2:1"), BUSY);
  assert.throws(() => limiter.check("bob", "10.0.0.1:1"), BUSY);
  limiter.check("alice", "10.0.0.1:2");
  assert.notEqual(limiter.laneOf("alice", "10.0.0.1:2"), limiter.laneOf("alice", "10.9.9.9:1"));
  for (let i = 0; i < 11; i++) limiter.failed("alice", "10.0.0.1:3");
  assert.throws(() => limiter.check("alice", "10.0.0.1:2"), BUSY);
});

test("the oldest of very many guesses are forgotten", () => {
  const limiter = new LoginLimiter(new VirtualClock());
  for (let i = 0; i < 11; i++) limiter.failed("alice", "10.0.0.1:1");
  assert.throws(() => limiter.check("alice", "10.0.0.2:1"), BUSY);
  for (let i = 0; i < 10_000; i++) limiter.failed(`user${i}`, `10.1.${i >> 8}.${i & 255}:1`);
  limiter.check("alice", "10.0.0.2:1");
});
