/**
 * Entry of the discovery service. Checks the runtime before anything is loaded that an
 * older one could not even read, then hands over to `etcd-discovery-main.ts`.
 */
import "./ignored-signals.ts";
import { runtimeProblem } from "./runtime.ts";

const problem = runtimeProblem(process.versions.node);
if (problem === undefined) {
  // Without `await` at the top: the program is bundled as a script.
  void import("./etcd-discovery-main.ts").then(async ({ main }) => {
    process.exitCode = await main();
  });
} else {
  process.stderr.write(`etcd-discovery: ${problem}\n`);
  process.exitCode = 1;
}
