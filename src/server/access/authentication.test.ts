/** Who a call is taken for: tokens in every spelling, certificates, and the member itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { METHOD } from "../../api/rpc-table.ts";
import { AuthUserAddRequest } from "../../api/gen/rpc.ts";
import { SimpleTokens, type TokenProvider } from "../../auth/index.ts";
import type { Call } from "../../env/index.ts";
import {
  MemoryLogger,
  PlainPasswords,
  SeededRandom,
  VirtualClock,
} from "../../env/testing/index.ts";
import { MemoryBackend } from "../../lease/testing/memory-backend.ts";
import { Authentication } from "./authentication.ts";

interface World {
  readonly auth: Authentication;
  readonly logger: MemoryLogger;
  /** Ann's. */
  readonly token: string;
}

/** Authentication on; the users are root, ann, and "cn", whom a certificate names. */
function enabled(options: {
  readonly clientCertAuth: boolean;
  readonly tokens?: TokenProvider;
}): World {
  const clock = new VirtualClock();
  const logger = new MemoryLogger();
  const auth = new Authentication({
    backend: new MemoryBackend(),
    clock,
    logger,
    tokens: new SimpleTokens({ random: new SeededRandom(1), ttlMs: 60_000 }),
    passwords: new PlainPasswords(),
    bcryptCost: 4,
    leaseKeys: () => [],
    appliedIndex: () => 100,
    ...options,
  });
  for (const name of ["root", "ann", "cn"]) {
    auth.store.addUser(AuthUserAddRequest.create({ name, password: "secret" }));
  }
  auth.store.grantRole({ user: "root", role: "root" });
  auth.store.enable();
  return { auth, logger, token: auth.login("ann", auth.newTokenPrefix(), 7) };
}

function call(
  metadata: Readonly<Record<string, string>>,
  more: Partial<Pick<Call, "certificateName" | "viaGateway">> = {},
): Call {
  return {
    method: METHOD.Range,
    deadlineMs: Number.POSITIVE_INFINITY,
    remote: "127.0.0.1:1",
    cancelled: false,
    viaGateway: false,
    certificateName: undefined,
    metadata: (key) => metadata[key],
    ...more,
  };
}

function nameOf(auth: Authentication, given: Call): string {
  const who = auth.identifyNow(given);
  return who.username;
}

test("a token is known by both names of its header, with and without Bearer", () => {
  const { auth, token } = enabled({ clientCertAuth: false });
  const forms: readonly Readonly<Record<string, string>>[] = [
    { token },
    { token: `Bearer ${token}` },
    { authorization: token },
    { authorization: `Bearer ${token}` },
    { token, authorization: "anything" },
  ];
  for (const form of forms) assert.equal(nameOf(auth, call(form)), "ann", JSON.stringify(form));
  const bad: readonly Readonly<Record<string, string>>[] = [
    { token: "anything", authorization: token },
    { token: "" },
    { token: `bearer ${token}` },
    { token: `Bearer Bearer ${token}` },
    { token: ` ${token}` },
    { authorization: `Basic ${token}` },
  ];
  for (const form of bad) {
    assert.throws(() => auth.identifyNow(call(form)), { kind: "invalidAuthToken" });
  }
  assert.equal(nameOf(auth, call({ "x-token": token })), "");
});

test("a certificate names a user only where client certificates are demanded", () => {
  const certificate = call({}, { certificateName: "cn" });
  const { auth, token } = enabled({ clientCertAuth: true });
  assert.equal(nameOf(auth, certificate), "cn");
  assert.equal(auth.identifyNow(certificate).authRevision, auth.store.revision);
  assert.equal(nameOf(enabled({ clientCertAuth: false }).auth, certificate), "");
  // A token goes first, and a bad one is not made good by a certificate.
  assert.equal(nameOf(auth, call({ token }, { certificateName: "cn" })), "ann");
  const bad = call({ token: "anything" }, { certificateName: "cn" });
  assert.throws(() => auth.identifyNow(bad), { kind: "invalidAuthToken" });
});

test("the certificate of a gateway is nobody's, and the log says so", () => {
  const { auth, logger } = enabled({ clientCertAuth: true });
  const given = call({}, { certificateName: "root", viaGateway: true });
  const who = auth.identifyNow(given);
  assert.equal(who.username, "");
  assert.throws(() => auth.requireUser(who), { kind: "userEmpty" });
  const told = logger.lines.filter(({ message }) => message.includes("ignoring common name"));
  assert.equal(told.length, 1);
});

test("a member asks as root for what it does by itself, and as nobody while authentication is off", () => {
  const { auth } = enabled({ clientCertAuth: false });
  const { revision } = auth.store;
  assert.deepEqual(auth.ownIdentity, { username: "root", authRevision: revision });
  auth.store.disable();
  assert.deepEqual(auth.ownIdentity, { username: "", authRevision: 0 });
});

test("the log says in etcd's words why a JSON web token is refused", () => {
  const tokens = new SimpleTokens({ random: new SeededRandom(1), ttlMs: 60_000 });
  const told = "failed to obtain user claims from jwt token";
  tokens.verify = () => ({ kind: "invalid", reason: "it has no user claim", told });
  const { auth, logger } = enabled({ clientCertAuth: false, tokens });
  assert.throws(() => auth.identifyNow(call({ token: "a.b.c" })), { kind: "invalidAuthToken" });
  assert.deepEqual(logger.messages("warn").slice(-2), [told, "invalid auth token"]);
});
