/** The suite of calls on the server of this repository. */
import { callsSuite } from "./testing/suite-calls.ts";
import { OUR_WORLD } from "./testing/world.ts";

callsSuite(OUR_WORLD);
