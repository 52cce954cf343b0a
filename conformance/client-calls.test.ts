/** Our client's suite of calls on a reference etcd. */
import { test } from "node:test";
import { callsSuite } from "../src/client/testing/suite-calls.ts";
import { REFERENCE_WORLD } from "./client-world.ts";
import { missing } from "./harness.ts";

const skip = missing("reference");
if (skip === false) callsSuite(REFERENCE_WORLD);
else test("the client's suite of calls on a reference etcd", { skip }, () => undefined);
