/** Our client's suites for leases and what is built on them, on a reference etcd. */
import { test } from "node:test";
import { concurrencySuite } from "../src/client/testing/suite-concurrency.ts";
import { leaseSuite } from "../src/client/testing/suite-lease.ts";
import { REFERENCE_WORLD } from "./client-world.ts";
import { missing } from "./harness.ts";

const skip = missing("reference");
if (skip === false) {
  leaseSuite(REFERENCE_WORLD);
  concurrencySuite(REFERENCE_WORLD);
} else {
  test("the client's suites for leases and locks on a reference etcd", { skip }, () => undefined);
}
