/** The concurrency suite on the server of this repository. */
import { concurrencySuite } from "../testing/suite-concurrency.ts";
import { OUR_WORLD } from "../testing/world.ts";

concurrencySuite(OUR_WORLD);
