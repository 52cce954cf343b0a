/** The lease suite on the server of this repository. */
import { leaseSuite } from "../testing/suite-lease.ts";
import { OUR_WORLD } from "../testing/world.ts";

leaseSuite(OUR_WORLD);
