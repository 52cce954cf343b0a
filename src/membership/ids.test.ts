import assert from "node:assert/strict";
import { test } from "node:test";
import { formatID } from "../base/ids.ts";
import { computeClusterID, computeMemberID } from "./ids.ts";

test("the guides' three local members have the ids that the guides show", () => {
  const ids = ["12380", "22380", "32380"].map((port) =>
    computeMemberID([`http://127.0.0.1:${port}`], "etcd-cluster-1"),
  );
  assert.deepEqual(ids.map(formatID), ["8211f1d0f64f3269", "91bc3c398fb3c146", "fd422379fda50e48"]);
  assert.equal(formatID(computeClusterID(ids)), "ef37ad9dc622a7c4");
});

test("the default member and cluster ids are the well-known ones", () => {
  const id = computeMemberID(["http://localhost:2380"], "etcd-cluster");
  assert.equal(formatID(id), "8e9e05c52164694d");
  assert.equal(formatID(computeClusterID([id])), "cdf818194e3a8c32");
});

test("an id below 2^60 prints without a leading zero", () => {
  const urls = ["http://etcd1.blueskykong.com:2380"];
  assert.equal(formatID(computeMemberID(urls, "etcd-cluster-1")), "1c74529850be61e9");
});

test("the order of URLs and of members does not matter", () => {
  const urls = ["http://127.0.0.1:1", "http://127.0.0.1:2"];
  assert.equal(computeMemberID(urls, "t"), computeMemberID([...urls].reverse(), "t"));
  assert.equal(computeClusterID([1n, 2n]), computeClusterID([2n, 1n]));
});
