/**
 * Random histories of users, tokens, keys, leases and watches at a whole member, compared answer by
 * answer with a model of etcd's rules. `TEST_SEED` repeats one seed.
 */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { formatStatus } from "../api/errors.ts";
import type { TokenSigner } from "../env/index.ts";
import { FaultDisk } from "../env/testing/index.ts";
import type { HistoryTarget, TargetStream } from "./testing/auth-history.ts";
import { runAuthHistory } from "./testing/auth-history.ts";
import type { TokenKind } from "./testing/auth-world-model.ts";
import { FakeStreamCall, FakeUnaryCall } from "./testing/fake-call.ts";
import { TestMember } from "./testing/test-member.ts";

const STEPS = 300;
/** Between logins, so that failed ones do not add up to a refusal. */
const LOGIN_PAUSE_MS = 1000;

function seeds(): readonly number[] {
  const { TEST_SEED: given } = process.env;
  return given === undefined ? [1, 2, 3] : [Number(given)];
}

const signer: TokenSigner = {
  algorithm: "HS256",
  canSign: true,
  sign: (text) => createHmac("sha256", "key").update(text).digest("base64url"),
  verify: (text, signature) => signer.sign(text) === signature,
};

function metadataOf(token: string | undefined): Readonly<Record<string, string>> {
  return token === undefined ? {} : { token };
}

class MemberTarget implements HistoryTarget {
  readonly #member: TestMember;

  constructor(member: TestMember) {
    this.#member = member;
  }

  async unary(
    method: number,
    body: Uint8Array,
    token: string | undefined,
  ): Promise<Uint8Array | string> {
    const call = new FakeUnaryCall(method, body, metadataOf(token));
    this.#member.clock.advance(LOGIN_PAUSE_MS);
    this.#member.server.rpc.unary([call]);
    await this.#member.until(() => call.answered);
    const { failure, answer } = call;
    return answer ?? formatStatus(failure?.code ?? 0, failure?.message ?? "");
  }

  open(method: number, token: string | undefined): TargetStream {
    const call = new FakeStreamCall(method, metadataOf(token));
    this.#member.server.rpc.stream(call);
    let taken = 0;
    return {
      send: (message) => call.onMessage?.(message),
      next: async () => {
        await this.#member.until(() => call.sent.length > taken || call.status !== undefined);
        const message = call.sent[taken++];
        const { code, message: text } = call.status ?? { code: 0, message: "" };
        return message ?? formatStatus(code, text);
      },
      close: () => call.onCancel?.(),
    };
  }
}

async function run(seed: number, tokenKind: TokenKind): Promise<Map<string, number>> {
  const tokens =
    tokenKind === "simple"
      ? ({ kind: "simple" } as const)
      : ({
          kind: "jwt",
          algorithm: "HS256",
          publicKeyFile: "",
          privateKeyFile: "key",
          ttlMs: 1e9,
          unknown: [],
        } as const);
  const member = new TestMember(
    new FaultDisk(),
    { tokens, simpleTokenTTLMs: 1e9 },
    { tokenSigner: signer },
  );
  await member.start();
  const options = { seed, steps: STEPS, tokenKind, implementation: "ours" as const };
  const counts = await runAuthHistory(new MemberTarget(member), options);
  await member.stop();
  return counts;
}

for (const tokenKind of ["simple", "jwt"] as const) {
  test(`a member answers random histories as the model does, with ${tokenKind} tokens`, async () => {
    const met = new Map<string, number>();
    for (const seed of seeds()) {
      for (const [outcome, count] of await run(seed, tokenKind)) {
        met.set(outcome, (met.get(outcome) ?? 0) + count);
      }
    }
    const answered = met.get("answered") ?? 0;
    const refused = [...met.values()].reduce((sum, count) => sum + count, 0) - answered;
    assert.ok(answered > refused / 2 && refused > answered / 5, JSON.stringify([...met]));
    assert.ok(met.size > 8, JSON.stringify([...met]));
  });
}
