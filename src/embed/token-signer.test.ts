import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryLogger } from "../env/testing/index.ts";
import { createConfig } from "./config/index.ts";
import { openTokenSigner } from "./token-signer.ts";

/** The refusal, and the line of the log that explains it. */
function refusal(authToken: string): readonly unknown[] {
  const logger = new MemoryLogger();
  try {
    openTokenSigner(createConfig({ authToken }), logger);
    return ["taken"];
  } catch (error) {
    const [line] = logger.lines;
    return [(error as Error).message, line?.message, line?.fields];
  }
}

test("options of --auth-token that mean nothing are refused, and explained as etcd does", () => {
  const invalid = "auth: invalid auth options";
  const loading = "problem loading JWT options";
  const method = { error: "auth: invalid auth signature method" };
  const cases: readonly (readonly [string, ...unknown[]])[] = [
    ["simple", "taken"],
    ["", "taken"],
    ["simple,a=b", "taken"],
    ["foo", invalid, "unknown token type", { type: "foo" }],
    ["simple,a", invalid, "invalid token option", { option: "simple,a" }],
    ["simple,a=b=c", invalid, "invalid token option", { option: "simple,a=b=c" }],
    [
      "simple,a=b,a=c",
      invalid,
      "invalid token option",
      { option: "simple,a=b,a=c", "duplicate-parameter": "a" },
    ],
    ["jwt", invalid, loading, method],
    ["jwt,sign-method=rs256", invalid, loading, method],
    ["jwt,sign-method=RS256,ttl=x", invalid, loading, { error: 'time: invalid duration "x"' }],
    [
      "jwt,sign-method=RS256,pub-key=/no/file",
      invalid,
      loading,
      { error: "open /no/file: no such file or directory" },
    ],
    ["jwt,sign-method=RS256", "auth: missing key data", undefined, undefined],
  ];
  for (const [authToken, ...expected] of cases) {
    assert.deepEqual(refusal(authToken), expected, authToken);
  }
});
