/** Our client's suites for keys, namespaces and watches on a reference etcd. */
import { test } from "node:test";
import { kvSuite } from "../src/client/testing/suite-kv.ts";
import { namespaceSuite } from "../src/client/testing/suite-namespace.ts";
import { watchSuite } from "../src/client/testing/suite-watch.ts";
import { REFERENCE_WORLD } from "./client-world.ts";
import { missing } from "./harness.ts";

const skip = missing("reference");
if (skip === false) {
  kvSuite(REFERENCE_WORLD);
  namespaceSuite(REFERENCE_WORLD);
  watchSuite(REFERENCE_WORLD);
} else {
  test(
    "the client's suites for keys, namespaces and watches on a reference etcd",
    { skip },
    () => undefined,
  );
}
