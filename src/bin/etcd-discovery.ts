/**
 * Entry of the discovery service. Checks the runtime before anything is loaded that an
 * older one could not even read, then hands over to `etcd-discovery-main.ts`.
 */
import "./ignored-signals.ts";
import { runtimeProblem } from "./runtime.ts";

const problem = runtimeProblem(process.versions.node);
if (problem === undefined) {
  const { main } = await import("./etcd-discovery-main.ts");
  process.exitCode = await main();
} else {
  process.stderr.write(`etcd-discovery: ${problem}\n`);
  process.exitCode = 1;
}
