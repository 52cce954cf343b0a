/**
 * What authentication costs one request, part by part: who calls, may they, and the name in the
 * entry of the log. Processor time, the best of several rounds.
 *
 *   node dist/benchmarks/auth-costs.js [filter]
 */
import { generateKeyPairSync } from "node:crypto";
import {
  AuthRoleGrantPermissionRequest,
  AuthUserAddRequest,
  PutRequest,
} from "../src/api/gen/rpc.ts";
import { JwtTokens, NOBODY, SimpleTokens, type TokenProvider } from "../src/auth/index.ts";
import type { Call } from "../src/env/index.ts";
import { MemoryLogger, SeededRandom, VirtualClock } from "../src/env/testing/index.ts";
import { MemoryBackend } from "../src/lease/testing/memory-backend.ts";
import { tokenSigner } from "../src/platform/index.ts";
import { Authentication } from "../src/server/access/authentication.ts";
import { encodeRaftRequest, RaftField } from "../src/server/log/raft-request.ts";

const ROUNDS = 7;
const ROUND_MS = 150;
const BATCH = 1000;
const USER = "ann";
const CLOCK = new VirtualClock();
const KEY = Buffer.from("key-000500-of-bench");

interface Case {
  readonly name: string;
  readonly work: () => number;
}

/** A member's authentication with one user, who has so many ranges. */
function authentication(ranges: number, tokens: TokenProvider): Authentication {
  const auth = new Authentication({
    backend: new MemoryBackend(),
    clock: CLOCK,
    logger: new MemoryLogger(),
    tokens,
    passwords: {
      hash: async () => "",
      verify: async () => false,
      hashNow: () => "",
    },
    bcryptCost: 10,
    clientCertAuth: false,
    leaseKeys: () => [],
    appliedIndex: () => 1000,
  });
  const { store } = auth;
  for (const name of ["root", USER]) {
    store.addUser(AuthUserAddRequest.create({ name, options: { noPassword: false } }));
  }
  store.grantRole({ user: "root", role: "root" });
  store.addRole({ name: "many" });
  for (let i = 0; i < ranges; i++) {
    const [key, rangeEnd] = ["", "~"].map((end) =>
      Buffer.from(`key-${String(ranges === 1 ? 500 : i).padStart(6, "0")}${end}`),
    );
    const perm = { permType: 2, key: key ?? KEY, rangeEnd: rangeEnd ?? KEY };
    store.grantPermission(AuthRoleGrantPermissionRequest.create({ name: "many", perm }));
  }
  store.grantRole({ user: USER, role: "many" });
  store.enable();
  return auth;
}

function simpleTokens(): SimpleTokens {
  return new SimpleTokens({ random: new SeededRandom(1), ttlMs: 300_000 });
}

function jwtTokens(): JwtTokens {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const signer = tokenSigner("RS256", {
    publicKey: Buffer.from(publicKey.export({ type: "spki", format: "pem" })),
    privateKey: Buffer.from(privateKey.export({ type: "pkcs1", format: "pem" })),
  });
  return new JwtTokens({ signer, ttlMs: 3_600_000, wallMs: () => CLOCK.wallMs() });
}

/** Who calls with such a token. */
function identifying(name: string, tokens: TokenProvider): Case {
  const auth = authentication(1, tokens);
  const token = auth.login(USER, auth.newTokenPrefix(), 7);
  const call = {
    metadata: (key: string) => (key === "token" ? token : undefined),
  } as unknown as Call;
  return { name, work: () => (auth.identify(call) === NOBODY ? 0 : 1) };
}

function checking(ranges: number): Case[] {
  const { permissions, store } = authentication(ranges, simpleTokens());
  const who = { username: USER, authRevision: store.revision };
  const put = PutRequest.create({ key: KEY });
  const range = { key: KEY, rangeEnd: Buffer.from("key-000500-of-c") };
  const single = { key: KEY, rangeEnd: Buffer.alloc(0) };
  const suffix = ranges === 1 ? "1 range" : `${ranges.toLocaleString("en")} ranges`;
  const checked = (run: () => void) => (): number => {
    run();
    return 1;
  };
  return [
    { name: `put, ${suffix}`, work: checked(() => permissions.checkPut(who, put)) },
    { name: `get, ${suffix}`, work: checked(() => permissions.checkRange(who, single)) },
    { name: `range, ${suffix}`, work: checked(() => permissions.checkRange(who, range)) },
  ];
}

function envelope(name: string, who: { username: string; authRevision: number }): Case {
  const body = PutRequest.encode(PutRequest.create({ key: KEY, value: Buffer.alloc(256) }));
  const id = { low48: 2 ** 47, high16: 0xfffe };
  return { name, work: () => encodeRaftRequest(RaftField.put, body, id, who).length };
}

/** Keeps results alive, so that the work cannot be optimised away. */
let sink = 0;

/** Nanoseconds of processor time of one operation. */
function round(work: () => number): number {
  const begun = process.cpuUsage();
  const endMs = performance.now() + ROUND_MS;
  let operations = 0;
  while (performance.now() < endMs) {
    for (let i = 0; i < BATCH; i++) sink += work();
    operations += BATCH;
  }
  const { user, system } = process.cpuUsage(begun);
  return ((user + system) * 1000) / operations;
}

function main(): void {
  const filter = process.argv[2] ?? "";
  const cases = [
    identifying("simple token", simpleTokens()),
    identifying("JSON web token", jwtTokens()),
    ...checking(1),
    ...checking(1000),
    envelope("entry without a user", NOBODY),
    envelope("entry with a user", { username: USER, authRevision: 12 }),
  ].filter(({ name }) => name.includes(filter));
  const best = cases.map(() => Number.POSITIVE_INFINITY);
  for (let i = 0; i < ROUNDS; i++) {
    cases.forEach(({ work }, at) => {
      best[at] = Math.min(best[at] ?? 0, round(work));
    });
  }
  console.log(`node ${process.version}; processor time of one operation`);
  cases.forEach(({ name }, at) => {
    console.log(`${name.padEnd(24)} ${(best[at] ?? 0).toFixed(0).padStart(6)} ns`);
  });
  if (sink === 0) console.log("nothing ran");
}

main();
