/** Our client's suite of users and roles on a reference etcd. */
import { test } from "node:test";
import { authSuite } from "../src/client/testing/suite-auth.ts";
import { REFERENCE_WORLD } from "./client-world.ts";
import { missing } from "./harness.ts";

const skip = missing("reference");
if (skip === false) authSuite(REFERENCE_WORLD);
else test("the client's suite of users and roles on a reference etcd", { skip }, () => undefined);
