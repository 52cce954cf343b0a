/** The key-value suite on the server of this repository. */
import { kvSuite } from "./testing/suite-kv.ts";
import { OUR_WORLD } from "./testing/world.ts";

kvSuite(OUR_WORLD);
