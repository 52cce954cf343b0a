/**
 * Entry of the launcher of local clusters. Checks the runtime before anything is loaded that an
 * older one could not even read, then hands over to `etcd-cluster-main.ts`.
 */
import "./ignored-signals.ts";
import { runtimeProblem } from "./runtime.ts";

const problem = runtimeProblem(process.versions.node);
if (problem === undefined) {
  const { main } = await import("./etcd-cluster-main.ts");
  process.exitCode = await main();
} else {
  process.stderr.write(`etcd-cluster: ${problem}\n`);
  process.exitCode = 1;
}
