import assert from "node:assert/strict";
import { test } from "node:test";
import { formatVersion, parseVersion } from "../api/version.ts";
import {
  decideClusterVersion,
  isDowngrade,
  mustParseVersion,
  parseTargetVersion,
} from "./version-rules.ts";

function decide(current: string, lowest: string, target = ""): string {
  const decided = decideClusterVersion({
    current: parseVersion(current),
    lowest: parseVersion(lowest),
    downgrade: { enabled: target !== "", targetVersion: target },
  });
  if (decided === undefined) return "stays";
  return decided === "invalid" ? decided : formatVersion(decided);
}

test("the cluster version is the lowest server's, 3.0.0 while somebody has not been heard", () => {
  assert.equal(decide("", "3.4.23"), "3.4.0");
  assert.equal(decide("", ""), "3.0.0");
  assert.equal(decide("3.0.0", "3.6.14"), "3.6.0");
  assert.equal(decide("3.4.0", "3.5.9"), "3.5.0");
  assert.equal(decide("3.4.0", ""), "stays");
  assert.equal(decide("3.6.0", "3.6.1"), "stays");
  assert.equal(decide("3.6.0", "3.5.9"), "stays");
  assert.equal(decide("3.6.0", "4.0.0"), "stays");
  assert.equal(decide("2.3.0", "3.6.14"), "3.6.0", "a directory of etcd 2");
});

test("a downgrade lowers it by one minor version, once", () => {
  assert.equal(decide("3.6.0", "3.6.14", "3.5.0"), "3.5.0");
  assert.equal(decide("3.5.0", "3.6.14", "3.5.0"), "stays");
  assert.equal(decide("3.6.0", "3.6.14", "3.4.0"), "invalid");
  assert.equal(decide("3.6.0", "3.5.1", "3.5.0"), "invalid");
  assert.equal(decide("3.6.0", "", "3.5.0"), "stays");
  assert.equal(isDowngrade(mustParseVersion("3.6.14"), mustParseVersion("3.5.0")), true);
  assert.equal(isDowngrade(mustParseVersion("3.6.0"), mustParseVersion("3.6.0")), false);
});

test("a target may be given with and without its patch level", () => {
  for (const [text, version] of [
    ["3.5", "3.5.0"],
    ["3.5.12", "3.5.0"],
    ["x", undefined],
    ["3", undefined],
    ["", undefined],
  ] as const) {
    const target = parseTargetVersion(text);
    assert.equal(target === undefined ? undefined : formatVersion(target), version, text);
  }
});
