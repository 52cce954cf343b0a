/** The suite of users and roles on the server of this repository. */
import { authSuite } from "./testing/suite-auth.ts";
import { OUR_WORLD } from "./testing/world.ts";

authSuite(OUR_WORLD);
