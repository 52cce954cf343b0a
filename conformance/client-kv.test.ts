/** Our client's suites for keys, namespaces, leasing and watches on a reference etcd. */
import { test } from "node:test";
import { kvSuite } from "../src/client/testing/suite-kv.ts";
import { leasingSuite } from "../src/client/testing/suite-leasing.ts";
import { namespaceSuite } from "../src/client/testing/suite-namespace.ts";
import { watchSuite } from "../src/client/testing/suite-watch.ts";
import { REFERENCE_WORLD } from "./client-world.ts";
import { missing } from "./harness.ts";

const skip = missing("reference");
if (skip === false) {
  kvSuite(REFERENCE_WORLD);
  namespaceSuite(REFERENCE_WORLD);
  leasingSuite(REFERENCE_WORLD);
  watchSuite(REFERENCE_WORLD);
} else {
  test(
    "the client's suites for keys, namespaces, leasing and watches on a reference etcd",
    { skip },
    () => undefined,
  );
}
