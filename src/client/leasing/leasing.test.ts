/** The suite of leasing on the server of this repository. */
import { leasingSuite } from "../testing/suite-leasing.ts";
import { OUR_WORLD } from "../testing/world.ts";

leasingSuite(OUR_WORLD);
