import assert from "node:assert/strict";
import { test } from "node:test";
import { unknownOption } from "./known-options.ts";

test("an unknown option is named, with the one that was probably meant", () => {
  const known = new Set(["dataDir", "listenClientUrls", "name", "tls"]);
  for (const [given, hint] of [
    ["datadir", "dataDir"],
    ["data-dir", "dataDir"],
    ["dataDirs", "dataDir"],
    ["listen-client-url", "listenClientUrls"],
    ["nmae", "name"],
  ] as const) {
    assert.equal(
      unknownOption("createConfig", { name: "a", [given]: "x" }, known),
      `createConfig has no option "${given}"; did you mean "${hint}"?`,
    );
  }
  assert.equal(
    unknownOption("the client", { quota: 1 }, known),
    'the client has no option "quota"',
  );
  assert.equal(unknownOption("x", { name: "a", tls: undefined }, known), undefined);
});
