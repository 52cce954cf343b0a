import assert from "node:assert/strict";
import { test } from "node:test";
import { ERRORS, EtcdError, formatStatus, isEtcdError, StatusCode } from "./errors.ts";
import { METHOD, METHODS } from "./rpc-table.ts";
import {
  compareVersions,
  formatVersion,
  majorMinor,
  MIN_CLUSTER_VERSION,
  parseVersion,
  SERVER_VERSION,
} from "./version.ts";

test("a method is found by name and by index", () => {
  const put = METHODS.find(({ path }) => path === "/etcdserverpb.KV/Put");
  assert.equal(put?.index, METHOD.Put);
  assert.equal(METHODS[METHOD.Put], put);
  assert.equal(METHODS[METHOD.HealthWatch]?.path, "/grpc.health.v1.Health/Watch");
  assert.equal(new Set(Object.values(METHOD)).size, METHODS.length);
});

test("kinds and messages come from the service definitions", () => {
  assert.equal(METHODS[METHOD.Watch]?.kind, "bidi");
  assert.equal(METHODS[METHOD.Snapshot]?.kind, "serverStream");
  assert.equal(METHODS[METHOD.Compact]?.request.typeName, "etcdserverpb.CompactionRequest");
  assert.equal(METHODS[METHOD.Observe]?.response.typeName, "v3electionpb.LeaderResponse");
});

test("gateway paths are unique and only what has no JSON mapping has none", () => {
  const paths = METHODS.flatMap((method) => method.gatewayPaths);
  assert.equal(new Set(paths).size, paths.length);
  assert.ok(paths.every((path) => path.startsWith("/v3/")));
  const without = METHODS.filter((method) => method.gatewayPaths.length === 0);
  assert.deepEqual(
    without.map((method) => method.name),
    ["RangeStream", "Check", "List", "Watch"],
  );
});

test("only Authenticate and the health service are open to everybody", () => {
  const open = METHODS.filter((method) => method.auth === "open").map((method) => method.path);
  assert.deepEqual(open, [
    "/etcdserverpb.Auth/Authenticate",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/List",
    "/grpc.health.v1.Health/Watch",
  ]);
});

test("an error carries code, text, kind and details", () => {
  const error = new EtcdError("compacted", { revision: 5 });
  assert.equal(error.code, StatusCode.OUT_OF_RANGE);
  assert.equal(error.message, "etcdserver: mvcc: required revision has been compacted");
  assert.deepEqual(error.details, { revision: 5 });
  assert.ok(isEtcdError(error, "compacted"));
  assert.ok(!isEtcdError(new Error(error.message), "compacted"));
});

test("codes that surprise are those of 3.6", () => {
  assert.equal(ERRORS.tooManyRequests.code, StatusCode.UNKNOWN);
  assert.equal(ERRORS.memberNotEnoughStarted.code, StatusCode.UNKNOWN);
  assert.equal(ERRORS.notCapable.code, StatusCode.FAILED_PRECONDITION);
  assert.equal(ERRORS.notSupportedForLearner.code, StatusCode.FAILED_PRECONDITION);
  assert.equal(ERRORS.clusterVersionUnavailable.code, StatusCode.FAILED_PRECONDITION);
  assert.equal(ERRORS.keyNotFound.code, StatusCode.INVALID_ARGUMENT);
});

test("error texts are unique, so that clients can tell them apart", () => {
  const texts = Object.values(ERRORS).map((row) => row.message);
  assert.equal(new Set(texts).size, texts.length);
});

test("a status is printed as Go prints it", () => {
  const { code, message } = ERRORS.permissionDenied;
  assert.equal(
    formatStatus(code, message),
    "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
  );
});

test("versions compare as semantic versions", () => {
  const ascending = ["3.0.0", "3.5.9", "3.5.10", "3.6.0-alpha.1", "3.6.0-rc.0", "3.6.0", "10.0.0"];
  const parsed = ascending.map((text) => parseVersion(text));
  for (const [i, a] of parsed.entries()) {
    for (const [j, b] of parsed.entries()) {
      assert.ok(a !== undefined && b !== undefined);
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${i} ${j}`);
    }
  }
  for (const text of ["", "3.6", "v3.6.0", "3.6.x", "03.6.0", "3.6.0.1", "3.6.0-"]) {
    assert.equal(parseVersion(text), undefined, text);
  }
});

test("our own versions are well formed", () => {
  const own = parseVersion(SERVER_VERSION);
  assert.ok(own !== undefined && parseVersion(MIN_CLUSTER_VERSION) !== undefined);
  assert.equal(formatVersion(own), SERVER_VERSION);
  assert.equal(formatVersion(majorMinor(own)), "3.6.0");
});
