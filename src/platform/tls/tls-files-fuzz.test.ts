/** Damaged certificates, keys and lists: each is used or refused with a reason, nothing else. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { SeededRandom } from "../../env/testing/index.ts";
import { TestAuthority } from "./testing/authority.ts";
import { readAuthorities, readKeyPair, readRevocations } from "./tls-files.ts";

const SEED = 20_240_607;
const ROUNDS = 400;

const directory = mkdtempSync(join(tmpdir(), "tls-fuzz-"));
after(() => rmSync(directory, { recursive: true }));
const authority = new TestAuthority();
const random = new SeededRandom(SEED);

function file(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** Some bytes changed, taken out, doubled or cut off. */
function damaged(bytes: Buffer): Buffer {
  let result = Buffer.from(bytes);
  for (let times = 1 + random.below(4); times > 0 && result.length > 1; times--) {
    const at = random.below(result.length);
    const until = Math.min(result.length, at + 1 + random.below(40));
    switch (random.below(5)) {
      case 0:
        result[at] = random.below(256);
        break;
      case 1:
        result[at] = (result[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, at), result.subarray(until)]);
        break;
      case 3:
        result = Buffer.concat([result.subarray(0, until), result.subarray(at)]);
        break;
      default:
        result = result.subarray(0, at);
    }
  }
  return result;
}

/** Whether the file is of use; any other error than a refusal fails the test. */
function isTaken(read: () => unknown, what: string): boolean {
  try {
    read();
    return true;
  } catch (error) {
    assert.ok(error instanceof Error && error.name === "TlsFileError", `${what}: ${error}`);
    assert.notEqual(error.message, "");
    return false;
  }
}

test("damaged certificates and keys are taken or refused with a reason", () => {
  const { cert, key } = authority.issue();
  const counts = { taken: 0, refused: 0 };
  for (let round = 0; round < ROUNDS; round++) {
    const what = `seed ${SEED}, round ${round}`;
    const certFile = file("c", round % 2 === 0 ? damaged(Buffer.from(cert)) : cert);
    const keyFile = file("k", round % 2 === 1 ? damaged(Buffer.from(key)) : key);
    const isOfUse = isTaken(() => readKeyPair(certFile, keyFile), what);
    counts[isOfUse ? "taken" : "refused"]++;
    isTaken(() => readAuthorities(certFile), what);
  }
  assert.ok(counts.refused > ROUNDS / 2, JSON.stringify(counts));
});

test("damaged lists are taken or refused with a reason", () => {
  const certificates = Array.from({ length: 20 }, () => authority.issue().cert);
  const der = authority.revoke(certificates);
  const pem = authority.revoke(certificates, "pem");
  for (let round = 0; round < ROUNDS; round++) {
    const path = file("l", damaged(round % 2 === 0 ? der : pem));
    isTaken(() => readRevocations(path), `seed ${SEED}, round ${round}`);
  }
});

test("no part of a list is taken for the whole: it would let in who is revoked", () => {
  const certificates = Array.from({ length: 5 }, () => authority.issue().cert);
  for (const form of ["der", "pem"] as const) {
    const whole = authority.revoke(certificates, form);
    assert.equal(readRevocations(file("l", whole)).size, certificates.length);
    // The last line break of a PEM file may be missing.
    for (let length = 0; length < whole.length - 1; length++) {
      const path = file("l", whole.subarray(0, length));
      const what = `${length} of ${whole.length} bytes as ${form}`;
      assert.equal(
        isTaken(() => readRevocations(path), what),
        false,
        what,
      );
    }
  }
});

test("what is nested without end is refused, not followed", () => {
  const deep = Buffer.concat([Buffer.alloc(200_000, Buffer.from([0x30, 0x80]))]);
  assert.equal(
    isTaken(() => readRevocations(file("deep", deep)), "nested sequences"),
    false,
  );
  const long = Buffer.from(`-----BEGIN X509 CRL-----\n${"A".repeat(1_000_000)}`);
  assert.equal(
    isTaken(() => readRevocations(file("long", long)), "no end"),
    false,
  );
});
