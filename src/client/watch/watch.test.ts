/** The watch suite on the server of this repository. */
import { watchSuite } from "../testing/suite-watch.ts";
import { OUR_WORLD } from "../testing/world.ts";

watchSuite(OUR_WORLD);
