/** Our client's suites for keys and watches on a reference etcd. */
import { test } from "node:test";
import { kvSuite } from "../src/client/testing/suite-kv.ts";
import { watchSuite } from "../src/client/testing/suite-watch.ts";
import { REFERENCE_WORLD } from "./client-world.ts";
import { missing } from "./harness.ts";

const skip = missing("reference");
if (skip === false) {
  kvSuite(REFERENCE_WORLD);
  watchSuite(REFERENCE_WORLD);
} else {
  test("the client's suites for keys and watches on a reference etcd", { skip }, () => undefined);
}
