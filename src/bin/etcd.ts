/**
 * Entry of the server program. Checks the runtime before anything is loaded that an older one
 * could not even read, then hands over to `etcd-main.ts`.
 */
import "./ignored-signals.ts";
import { runtimeProblem } from "./runtime.ts";

const problem = runtimeProblem(process.versions.node);
if (problem === undefined) {
  const { main } = await import("./etcd-main.ts");
  await main(process.argv);
} else {
  process.stderr.write(`etcd: ${problem}\n`);
  process.exitCode = 1;
}
